"""Exact searches on the CPU, by faiss.

Comes in: unit vectors, ``float32[n, dim]``. Goes out: the nearest of them. Not its job: which are searched.
"""

from __future__ import annotations

from collections.abc import Iterable

import faiss
import numpy as np
from numpy.typing import NDArray

from triptych.executors.processes import core_count
from triptych.grouping.neighbours.unit_vectors import Block


class FaissSearcher:
    """Searches on the CPU with ``threads`` threads; 0 means one per core."""

    name = "faiss on the CPU"

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or core_count()

    def work_in_one_thread(self) -> None:
        """Run faiss single-threaded in this thread, so that sums don't depend on the number of threads."""
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
        count = min(count, len(centroids))
        nearest: NDArray[np.int64]
        _, nearest = faiss.knn(vectors, centroids, count, metric=faiss.METRIC_INNER_PRODUCT)
        return nearest
