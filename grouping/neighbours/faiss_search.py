"""Matrix products that answer who is near whom, on the CPU; the one file that imports faiss.

Comes in: unit rows, ``float32[n, dim]``. Goes out: the nearest of them. The search
within a block is exact; its cosines only preselect, those that decide are computed row by row (see
rows). Not its job: which blocks to search (see cells), and going through all of them (see selfjoin).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

SEARCH_SLACK = 1e-4
"""A matrix product and a plain sum differ by less in float32. What preselects is searched below its bound
by this much."""


class Block(NamedTuple):
    """Rows to search: their image numbers, and which of the queries search them (None: all)."""

    images: NDArray[np.int64]
    rows: NDArray[np.float32]
    queries: NDArray[np.int64] | None = None


class Searcher(Protocol):
    """Who multiplies: a CPU or a GPU. Called from ``threads`` threads at a time."""

    @property
    def name(self) -> str:
        """For a person: with what, and where."""

    @property
    def threads(self) -> int:
        """Pieces of work side by side."""

    def work_in_one_thread(self) -> None:
        """Called first in each of the threads."""

    def in_blocks(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``count`` nearest of all ``blocks`` to each query, nearest first.

        Returns images ``int64[q, count]`` and cosines ``float32[q, count]``; where there are fewer rows
        than ``count``, -1 ends a line.
        """

    def among(self, rows: NDArray[np.float32], centres: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """``int64[n, count]``: the nearest ``centres`` of each row, nearest first; fewer where there are."""


class FaissSearcher:
    """On the CPU, with as many threads as it may use cores unless told."""

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))

    @property
    def name(self) -> str:
        return "faiss on the CPU"

    def work_in_one_thread(self) -> None:
        """Keep what this thread asks of faiss in it, so that its sums don't depend on others."""
        faiss.omp_set_num_threads(1)

    def in_blocks(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        heap = faiss.ResultHeap(len(queries), count, keep_max=True)
        for block in blocks:
            if not len(block.images):
                continue
            asking = queries if block.queries is None else queries[block.queries]
            at_most = min(count, len(block.images))
            cosines, found = faiss.knn(asking, block.rows, at_most, metric=faiss.METRIC_INNER_PRODUCT)
            if block.queries is None:
                heap.add_result(cosines, block.images[found])
            else:
                heap.add_result_subset(block.queries, cosines, block.images[found])
        heap.finalize()
        return heap.I, heap.D

    def among(self, rows: NDArray[np.float32], centres: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        _, found = faiss.knn(rows, centres, min(count, len(centres)), metric=faiss.METRIC_INNER_PRODUCT)
        nearest: NDArray[np.int64] = found
        return nearest
