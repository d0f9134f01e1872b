"""Exact searches on the CPU; the one file that imports faiss.

Comes in: unit vectors, ``float32[n, dim]``. Goes out: the nearest of them. Not its job: which are searched
(see self_join).
"""

from __future__ import annotations

from collections.abc import Iterable

import faiss
import numpy as np
from numpy.typing import NDArray

from triptych.executors.processes import core_count
from triptych.grouping.neighbours.unit_vectors import Block


class FaissSearcher:
    """On the CPU, with ``threads`` threads; 0 takes as many as there are cores."""

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or core_count()

    @property
    def name(self) -> str:
        return "faiss on the CPU"

    def work_in_one_thread(self) -> None:
        """Keep what this thread asks of faiss in it, so that its sums don't depend on others."""
        faiss.omp_set_num_threads(1)

    def search(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        heap = faiss.ResultHeap(len(queries), count, keep_max=True)
        for block in blocks:
            if not len(block.images):
                continue
            cosines, found = faiss.knn(
                queries[block.queries],
                block.vectors,
                min(count, len(block.images)),
                metric=faiss.METRIC_INNER_PRODUCT,
            )
            heap.add_result_subset(block.queries, cosines, block.images[found])
        heap.finalize()
        return heap.I, heap.D

    def nearest_centroids(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        at_most = min(count, len(centroids))
        nearest: NDArray[np.int64] = faiss.knn(
            vectors, centroids, at_most, metric=faiss.METRIC_INNER_PRODUCT
        )[1]
        return nearest
