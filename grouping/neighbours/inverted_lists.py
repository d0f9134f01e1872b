"""An IVF index on disk: embeddings sorted into k-means cells.

Comes in: blocks of stored embeddings. Goes out, in a scratch folder: centroids, each image's cell, and the
vectors in cell order (the inverted lists), so that a cell is read in one piece. Files are written atomically,
and reused if they are complete and undamaged. Not its job: which cells are probed (see probe_count).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import Searcher, SearchWorkers, map_in_threads
from triptych.grouping.neighbours.unit_vectors import UnitVectors, as_units
from triptych.progress import Progress, Silent
from triptych.runs.arrays import allocate_array, write_array
from triptych.runs.checkpoints import is_whole, note_whole
from triptych.runs.jsonl import make_folder, sync_directory

CENTROIDS, CELL_OF = "centroids.npy", "cell_of.npy"

IMAGES_PER_CELL = 512
"""Small enough to search few distant vectors, large enough for fast matrix products."""

MAX_CELLS = 16_384
"""Reached at 8 million images; assigning them to cells costs images x cells."""

SAMPLE_PER_CELL = 40
"""Images per cell to train k-means on; faiss recommends 39 or more."""

TRAINING_ROUNDS = 6
"""Iterations of k-means. Few suffice, as the number of cells to probe is measured on the result."""

SAMPLE_AT_ONCE, VECTORS_AT_ONCE = 4_096, 16_384
"""Vectors per piece, in training and otherwise: 8 and 32 MB in float32 at 512 dimensions."""


class StoredBlock(NamedTuple):
    """Consecutive stored embeddings and the images that they belong to, numbered in key order."""

    images: NDArray[np.int64]
    load: Callable[[], NDArray[np.float16]]
    """Returns ``float16[len(images), dim]``. Each call maps the file again, so that memory for pages read
    through the previous map is freed."""


class InvertedLists:
    """Images 0 to n - 1 (in key order) in cells. Vectors are sorted by cell, then by image number."""

    def __init__(
        self,
        folder: Path,
        cell_of: NDArray[np.int16],
        centroids: NDArray[np.float32],
        searcher: Searcher,
        workers: SearchWorkers | None = None,
    ) -> None:
        self.searcher = searcher
        """Searches these vectors."""
        self.workers = workers
        """Workers that search them; None means this process."""
        self.folder = folder
        self.centroids = centroids
        """``float32[cells, dim]``, ordered so that consecutive cells are near each other."""
        self.cell_of = cell_of
        """``int16[n]``: each image's cell."""
        self.order: NDArray[np.int64] = np.argsort(cell_of, kind="stable")
        """``int64[n]``: images in the order of the vectors file."""
        self.starts: NDArray[np.int64] = np.concatenate(
            [[0], np.cumsum(np.bincount(cell_of, minlength=len(centroids)))]
        )
        """``int64[cells + 1]``: cell c has vectors ``starts[c]`` up to but excluding ``starts[c + 1]``."""
        self.position = np.empty(len(cell_of), np.int32)
        """``int32[n]``: row of each image in the vectors file."""
        self.position[self.order] = np.arange(len(cell_of), dtype=np.int32)
        self.vectors_path = folder / "vectors.npy"

    @property
    def cells(self) -> int:
        return len(self.centroids)

    @cached_property
    def vectors(self) -> UnitVectors:
        """The vectors of all images, through a single map, so that cached pages are counted once."""
        return UnitVectors(np.load(self.vectors_path, mmap_mode="r"), self.position)

    def spans(self, cell: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Images and unit vectors of a cell, at most VECTORS_AT_ONCE at a time."""
        end = int(self.starts[cell + 1])
        for start in range(int(self.starts[cell]), end, VECTORS_AT_ONCE):
            stop = min(start + VECTORS_AT_ONCE, end)
            yield self.order[start:stop], self.vectors.span(start, stop)


def cell_count(images: int) -> int:
    """Number of cells for ``images`` images."""
    return max(1, min(MAX_CELLS, math.ceil(images / IMAGES_PER_CELL)))


def build_inverted_lists(
    blocks: Sequence[StoredBlock],
    images: int,
    dimensions: int,
    folder: Path,
    searcher: Searcher,
    progress: Progress | None = None,
    workers: SearchWorkers | None = None,
) -> InvertedLists:
    """Open the index in ``folder``, after making the files that are missing.

    The result doesn't depend on how images are divided into blocks: the sample is drawn in key order.
    """
    make_folder(folder)
    centroids = _load_or_make(folder / CENTROIDS, lambda: _train(blocks, images, dimensions, searcher))
    cell_of = _load_or_make(
        folder / CELL_OF, lambda: _assign(blocks, images, centroids, searcher, progress or Silent())
    )
    lists = InvertedLists(folder, cell_of, centroids, searcher, workers)
    if not is_whole(lists.vectors_path):
        _sort_vectors(blocks, lists, dimensions)
    return lists


def open_inverted_lists(folder: Path, searcher: Searcher) -> InvertedLists:
    """Open the finished index in ``folder``."""
    cell_of, centroids = (np.load(folder / name, allow_pickle=False) for name in (CELL_OF, CENTROIDS))
    return InvertedLists(folder, cell_of, centroids, searcher)


def _load_or_make(path: Path, make: Callable[[], NDArray[np.generic]]) -> NDArray:  # type: ignore[type-arg]
    if not is_whole(path):
        write_array(path, make())
        note_whole(path)
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def _train(
    blocks: Sequence[StoredBlock], images: int, dimensions: int, searcher: Searcher
) -> NDArray[np.float32]:
    cells = cell_count(images)
    size = min(images, cells * SAMPLE_PER_CELL)
    chosen = np.zeros(images, bool)
    chosen[np.random.default_rng(1).choice(images, size, replace=False)] = True
    numbers: list[NDArray[np.int64]] = []
    sampled: list[NDArray[np.float16]] = []
    for some, stored in _chunks(blocks):
        inside = chosen[some]
        numbers.append(some[inside])
        sampled.append(stored[inside])
    by_number = np.argsort(np.concatenate(numbers))
    sample = as_units(np.concatenate(sampled).reshape(size, dimensions)[by_number])
    return spherical_kmeans(sample, cells, searcher)


def _assign(
    blocks: Sequence[StoredBlock],
    images: int,
    centroids: NDArray[np.float32],
    searcher: Searcher,
    progress: Progress,
) -> NDArray[np.int16]:
    cell_of = np.empty(images, np.int16)

    def assign(chunk: tuple[NDArray[np.int64], NDArray[np.float16]]) -> int:
        numbers, stored = chunk
        cell_of[numbers] = searcher.nearest_centroids(as_units(stored), centroids, 1)[:, 0]
        return len(numbers)

    with progress.task("index", images, "images") as task:
        for assigned in map_in_threads(assign, _chunks(blocks), searcher):
            task.advance(assigned)
    return cell_of


def _sort_vectors(blocks: Sequence[StoredBlock], lists: InvertedLists, dimensions: int) -> None:
    part = lists.vectors_path.with_suffix(".part")
    shape = (len(lists.order), dimensions)
    allocate_array(part, np.float16, shape)
    for numbers, stored in _chunks(blocks):
        # Mapped again for each chunk, so that pages written before no longer count as this process's memory.
        in_cell_order = np.lib.format.open_memmap(part, mode="r+")
        in_cell_order[lists.position[numbers]] = stored
        del in_cell_order
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(lists.vectors_path)
    sync_directory(part.parent)
    note_whole(lists.vectors_path)


def _chunks(blocks: Sequence[StoredBlock]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    for block in blocks:
        for start in range(0, len(block.images), VECTORS_AT_ONCE):
            some = slice(start, start + VECTORS_AT_ONCE)
            yield block.images[some], block.load()[some]


def spherical_kmeans(sample: NDArray[np.float32], cells: int, searcher: Searcher) -> NDArray[np.float32]:
    """``float32[cells, dim]``: unit centroids. ``sample`` is ``float32[n, dim]`` with n >= cells.

    Work is split into fixed pieces and summed in a fixed order, so that centroids are the same bits for any
    number of threads, which faiss.Kmeans doesn't guarantee.
    """
    first = np.random.default_rng(1).choice(len(sample), cells, replace=False)
    centroids: NDArray[np.float32] = sample[np.sort(first)]
    starts = range(0, len(sample), SAMPLE_AT_ONCE)
    for _ in range(TRAINING_ROUNDS):

        def assign(start: int, centroids: NDArray[np.float32] = centroids) -> NDArray[np.int64]:
            return searcher.nearest_centroids(sample[start : start + SAMPLE_AT_ONCE], centroids, 1)[:, 0]

        cell_of = np.concatenate(list(map_in_threads(assign, starts, searcher)))
        centroids = _means(sample, cell_of, centroids)
    return _chain(centroids)


def _means(
    sample: NDArray[np.float32], cell_of: NDArray[np.int64], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The normalised mean of each cell's vectors; an empty cell keeps its centroid."""
    means = before.copy()
    order = np.argsort(cell_of, kind="stable")
    cells, starts = np.unique(cell_of[order], return_index=True)
    for cell, members in zip(cells.tolist(), np.split(order, starts[1:]), strict=True):
        total = sample[members].sum(axis=0)
        length = float(np.sqrt((total * total).sum()))
        if length > 0:
            means[cell] = total / length
    return means


def _chain(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder ``centroids`` greedily: each is followed by the nearest of those left."""
    left = np.ones(len(centroids), bool)
    order = [0]
    for _ in range(len(centroids) - 1):
        left[order[-1]] = False
        cosines = np.where(left, centroids @ centroids[order[-1]], -np.inf)
        order.append(int(np.argmax(cosines)))
    return centroids[order]
