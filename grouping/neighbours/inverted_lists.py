"""Embeddings sorted into cells of a similarity space, on disk.

Comes in: blocks of stored rows, as a run or a benchmark has them. Goes out, in a scratch folder:
centres, each image's cell, and the rows in cell order, so that a cell is read in one piece. Each file
appears whole; what is there already is taken over. Not its job: which cells are searched (see cells).
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

from triptych.grouping.neighbours.faiss_search import Searcher
from triptych.grouping.neighbours.spherical_kmeans import find_centres
from triptych.grouping.neighbours.unit_vectors import UnitRows, as_units
from triptych.grouping.neighbours.workers import in_threads
from triptych.progress import Progress, Silent
from triptych.runs.jsonl import written_whole

IMAGES_PER_CELL = 512
"""Small enough to search few rows besides the near ones, large enough for fast matrix products."""

MOST_CELLS = 16_384
"""What a self-join of 11 million takes; assigning costs images x cells."""

SAMPLE_PER_CELL = 40
"""Images a cell that k-means looks at; faiss asks for 39 or more."""

ROWS_AT_ONCE = 16_384
"""32 MB in float32 at 512 dimensions."""


class StoredBlock(NamedTuple):
    """Consecutive stored rows and the images (numbers in key order) that they belong to."""

    images: NDArray[np.int64]
    load: Callable[[], NDArray[np.float16]]
    """Maps the file anew at each call, so that what was read of it can be let go."""


class Layout:
    """Images 0 to n - 1 (in key order) in cells. Rows lie by cell, inside a cell by image number."""

    def __init__(self, folder: Path, cell_of: NDArray[np.int16], centres: NDArray[np.float32]) -> None:
        self.centres = centres
        """``float32[cells, dim]``, in an order in which cells that follow each other are near."""
        self.cell_of = cell_of
        """``int16[n]``."""
        self.order: NDArray[np.int64] = np.argsort(cell_of, kind="stable")
        """Images in the order of their rows."""
        self.starts: NDArray[np.int64] = np.concatenate(
            [[0], np.cumsum(np.bincount(cell_of, minlength=len(centres)))]
        )
        """Cell c has the rows ``starts[c]`` to ``starts[c + 1]``."""
        self.place = np.empty(len(cell_of), np.int32)
        self.place[self.order] = np.arange(len(cell_of), dtype=np.int32)
        self.rows_path = folder / "rows.npy"

    @property
    def cells(self) -> int:
        return len(self.centres)

    @cached_property
    def rows(self) -> UnitRows:
        """The rows of all images; mapped once, so that what is cached of the file is counted once."""
        return UnitRows.open(self.rows_path, self.place)


def cells_for(images: int) -> int:
    """How many cells ``images`` are sorted into."""
    return max(1, min(MOST_CELLS, math.ceil(images / IMAGES_PER_CELL)))


def lay_out(
    blocks: Sequence[StoredBlock],
    images: int,
    dimensions: int,
    folder: Path,
    searcher: Searcher,
    progress: Progress | None = None,
) -> Layout:
    """Make what isn't there yet of the files of ``folder``, and open them.

    The same for the same images in whatever blocks they come: the sample is drawn from key order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    centres = _made_once(folder / "centres.npy", lambda: _train(blocks, images, dimensions, searcher))
    cell_of = _made_once(
        folder / "cell_of.npy", lambda: _assign(blocks, images, centres, searcher, progress or Silent())
    )
    layout = Layout(folder, cell_of, centres)
    if not layout.rows_path.exists():
        _sort_rows(blocks, layout, dimensions)
    return layout


def _made_once(path: Path, make: Callable[[], NDArray[np.generic]]) -> NDArray:  # type: ignore[type-arg]
    if not path.exists():
        made = make()
        with written_whole(path) as file:
            np.save(file, made)
    made_before: NDArray[Any] = np.load(path)
    return made_before


def _train(
    blocks: Sequence[StoredBlock], images: int, dimensions: int, searcher: Searcher
) -> NDArray[np.float32]:
    cells = cells_for(images)
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
    return find_centres(sample, cells, searcher)


def _assign(
    blocks: Sequence[StoredBlock],
    images: int,
    centres: NDArray[np.float32],
    searcher: Searcher,
    progress: Progress,
) -> NDArray[np.int16]:
    cell_of = np.empty(images, np.int16)

    def look(chunk: tuple[NDArray[np.int64], NDArray[np.float16]]) -> int:
        numbers, stored = chunk
        cell_of[numbers] = searcher.among(as_units(stored), centres, 1)[:, 0]
        return len(numbers)

    with progress.task("sorting into cells", images, "images") as task:
        for sorted_by_now in in_threads(look, _chunks(blocks), searcher):
            task.advance(sorted_by_now)
    return cell_of


def _sort_rows(blocks: Sequence[StoredBlock], layout: Layout, dimensions: int) -> None:
    part = layout.rows_path.with_suffix(".part")
    shape = (len(layout.order), dimensions)
    np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
    for numbers, stored in _chunks(blocks):
        # Mapped anew for each chunk: what was touched before then no longer counts as this process's memory.
        sorted_rows = np.lib.format.open_memmap(part, mode="r+")
        sorted_rows[layout.place[numbers]] = stored
        del sorted_rows
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(layout.rows_path)


def _chunks(blocks: Sequence[StoredBlock]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    for block in blocks:
        for start in range(0, len(block.images), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            yield block.images[some], block.load()[some]
