"""Nearest neighbours: an index of inverted lists on disk, and exact searches in it on a CPU or a GPU.

Comes in: stored embeddings. Goes out: for each image its nearest others. Here is what a searcher is, which
one is taken, and how its work is spread over threads. Its cosines come from matrix products and only
preselect: those that decide are computed pair by pair (see unit_vectors). Not its job: which vectors are
searched (see self_join), what a similarity means (see sets).
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
"""Of NVIDIA, of it under Windows, of AMD. torch is asked only where one is: it takes 600 MB of memory."""

SEARCH_SLACK = 1e-4
"""A matrix product and a plain sum differ by less in float32. Whatever preselects takes a threshold lower by
this much."""

T = TypeVar("T")
R = TypeVar("R")


class Searcher(Protocol):
    """Multiplies on a CPU or a GPU. Called from ``threads`` threads at a time."""

    @property
    def name(self) -> str:
        """For a person: with what, and where."""

    @property
    def threads(self) -> int:
        """Pieces of work side by side."""

    def work_in_one_thread(self) -> None:
        """Called first in each of the threads."""

    def search(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``count`` nearest of all ``blocks`` to each query, nearest first.

        Returns images ``int64[q, count]`` and cosines ``float32[q, count]``; where there are fewer vectors
        than ``count``, -1 ends a line.
        """

    def nearest_centroids(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        """``int64[n, count]``: the centroids nearest to each vector, nearest first; fewer where there are."""


def open_searcher(device: SearchDevice, threads: int) -> Searcher:
    """``auto`` takes the first GPU that torch finds, else the CPU with ``threads`` threads (0: all cores).

    Raises SetupError where a GPU is asked for and there is none.
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


class Spread(NamedTuple):
    """Workers of a cluster that search."""

    open_executor: OpenExecutor
    gpus: float
    """That each has for itself."""
    threads: int
    """Of each, where it has no GPU."""


def spread_over(cluster: Cluster | None, device: SearchDevice) -> Spread | None:
    """Workers on GPUs where there are some, unless ``device`` is the CPU; None without a cluster."""
    if cluster is None:
        return None
    gpus = cluster.config.gpus_per_worker if device != "cpu" and cluster.has_gpus else 0
    return Spread(cluster.open_executor, gpus, max(1, int(cluster.config.cpus_per_worker)))


def in_threads(work: Callable[[T], R], pieces: Iterable[T], searcher: Searcher) -> Iterator[R]:
    """``work`` of each piece, in order, in the searcher's threads.

    Each thread computes its pieces alone, so a piece comes out the same for any number of threads. At most
    two pieces a thread are begun before the first is taken.
    """
    count, begin = searcher.threads, searcher.work_in_one_thread
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="neighbours", initializer=begin) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
