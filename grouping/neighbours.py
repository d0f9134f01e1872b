"""Matrix products that answer who is near whom; the one file that imports faiss.

Comes in: unit rows, ``float32[n, dim]``. Goes out: the nearest of them. The search
within a block is exact; its cosines only preselect, those that decide are computed row by row (see
rows). Not its job: which blocks to search (see cells), and going through all of them (see selfjoin).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

SEARCH_SLACK = 1e-4
"""A matrix product and a plain sum differ by less in float32. What preselects is searched below its bound
by this much."""


def work_in_one_thread() -> None:
    """Keep what the calling thread asks of faiss in that thread, so that its sums don't depend on others."""
    faiss.omp_set_num_threads(1)


class Block(NamedTuple):
    """Rows to search: their image numbers, and which of the queries search them (None: all)."""

    images: NDArray[np.int64]
    rows: NDArray[np.float32]
    queries: NDArray[np.int64] | None = None


def nearest_in_blocks(
    queries: NDArray[np.float32], blocks: Iterable[Block], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The ``count`` nearest of all ``blocks`` to each query, nearest first.

    Returns images ``int64[q, count]`` and cosines ``float32[q, count]``; where there are fewer rows
    than ``count``, -1 ends a line.
    """
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


def nearest_centres(rows: NDArray[np.float32], centres: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """``int64[n, count]``: the nearest cells of each row, nearest first."""
    _, found = faiss.knn(rows, centres, min(count, len(centres)), metric=faiss.METRIC_INNER_PRODUCT)
    nearest: NDArray[np.int64] = found
    return nearest
