"""Nearest neighbours: an index of inverted lists on disk, and exact searches in it on a CPU or a GPU.

Comes in: stored embeddings. Goes out: the nearest other images of each image. This module has the searcher
protocol, the choice of a searcher, and its thread pool. A searcher's cosines come from matrix products and
only preselect pairs: final cosines are computed pair by pair (see unit_vectors). Not its job: which vectors
are searched (see self_join), what a similarity means (see sets).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.executors import Cluster, OpenExecutor
from triptych.extras import is_installed, require
from triptych.grouping.config import SearchDevice
from triptych.grouping.neighbours.unit_vectors import Block

DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Of NVIDIA, NVIDIA on WSL, and AMD. torch, which takes 600 MB of memory, is imported only if one exists."""

SEARCH_SLACK = 1e-4
"""Upper bound on the difference between a matrix product and a pairwise sum in float32. Thresholds for
preselection are lower by this much."""

T = TypeVar("T")
R = TypeVar("R")


class Searcher(Protocol):
    """Exact search on a CPU or a GPU. May be called from ``threads`` threads at a time."""

    @property
    def name(self) -> str:
        """Library and device, as shown to the user."""

    @property
    def threads(self) -> int:
        """Number of threads to search from."""

    def work_in_one_thread(self) -> None:
        """Called once in each of these threads, before any search."""

    def search(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``count`` vectors of all ``blocks`` that are nearest to each query, nearest first.

        Returns images ``int64[q, count]`` and cosines ``float32[q, count]``. If there are fewer than
        ``count`` vectors, rows are padded with image -1.
        """

    def nearest_centroids(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        """``int64[n, min(count, len(centroids))]``: the centroids nearest to each vector, nearest first."""


def open_searcher(device: SearchDevice, threads: int) -> Searcher:
    """``auto`` means the first GPU that torch finds, or the CPU with ``threads`` threads (0: one per core).

    Raises SetupError if ``device`` is ``cuda`` and there is no GPU.
    """
    if device == "cuda":
        require("local", "torch", what="sets.device cuda", instead="set it to auto or cpu")
    if device == "cuda" or (device == "auto" and _may_have_gpu()):
        import torch

        if torch.cuda.is_available():
            from triptych.grouping.neighbours.torch_search import TorchSearcher

            return TorchSearcher("cuda")
        if device == "cuda":
            raise SetupError("sets.device is cuda, but torch finds no GPU; set it to auto or cpu")
    from triptych.grouping.neighbours.faiss_search import FaissSearcher

    return FaissSearcher(threads)


def _may_have_gpu() -> bool:
    return is_installed("torch") and any(Path(driver).exists() for driver in DRIVERS)


class SearchWorkers(NamedTuple):
    """Workers of a cluster that run the search."""

    open_executor: OpenExecutor
    gpus: float
    """Per worker."""
    threads: int
    """Per worker, if it has no GPU."""


def search_workers(cluster: Cluster | None, device: SearchDevice) -> SearchWorkers | None:
    """Workers on the cluster's GPUs if it has any and ``device`` permits; None without a cluster."""
    if cluster is None:
        return None
    gpus = cluster.config.gpus_per_worker if device != "cpu" and cluster.has_gpus else 0
    return SearchWorkers(cluster.open_executor, gpus, max(1, int(cluster.config.cpus_per_worker)))


def map_in_threads(work: Callable[[T], R], pieces: Iterable[T], searcher: Searcher) -> Iterator[R]:
    """Results of ``work`` for each piece, in order, computed in the searcher's threads.

    Each piece is computed by a single thread, so results don't depend on the number of threads. At most two
    pieces per thread are started before the first result is taken.
    """
    threads, initializer = searcher.threads, searcher.work_in_one_thread
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="neighbours", initializer=initializer) as pool:
        try:
            for piece in pieces:
                pending.append(pool.submit(work, piece))
                if len(pending) >= 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
