"""The nearest other images of every image.

Comes in: a layout, how many cells to search. Goes out: for each image its neighbours. The images are
taken in the order of their rows, some ten thousand at a time: all of them that search a cell are
multiplied with it at once, so what a query at a time reads again and again is read once. Each piece
is a checkpoint, so a killed join goes on where it was. In memory: a piece a thread, and the result.
Not its job: choosing how many cells (see cells).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.faiss_search import Block, Searcher
from triptych.grouping.neighbours.inverted_lists import ROWS_AT_ONCE, Layout
from triptych.grouping.neighbours.probe_count import sample_images, true_neighbours, without_self
from triptych.grouping.neighbours.workers import in_threads
from triptych.progress import Progress, Silent
from triptych.runs.jsonl import written_whole

SMALLEST_PIECE, LARGEST_PIECE = 1_024, 32_768
"""Images that look for neighbours together: 64 MB in float32 at 512 dimensions."""

PIECES_WANTED = 16
"""A small corpus is cut into as many, so that several threads have work."""


class Neighbours(NamedTuple):
    """``images`` is ``int32[n, count]``, -1 where there are fewer; ``cosines`` ``float32[n, count]``.

    Nearest first. The cosines come from matrix products: right to SEARCH_SLACK.
    """

    images: NDArray[np.int32]
    cosines: NDArray[np.float32]


class Join:
    """One self-join: which images look for neighbours, and among which."""

    def __init__(
        self,
        layout: Layout,
        searcher: Searcher,
        searched: int,
        count: int,
        looking: NDArray[np.bool_] | None = None,
        found: NDArray[np.bool_] | None = None,
    ) -> None:
        """``looking`` and ``found`` are masks over images; ``searched`` is in cells an image."""
        self._layout, self._searcher = layout, searcher
        self._searched, self._count = searched, count
        self._looking, self._found = looking, found
        self._rows = layout.rows

    def run(self, folder: Path, progress: Progress | None = None) -> Neighbours:
        """All neighbours; checkpoints go to ``folder``, and those that are there are taken over."""
        folder.mkdir(parents=True, exist_ok=True)
        total = len(self._rows)
        result = Neighbours(
            np.full((total, self._count), -1, np.int32), np.full((total, self._count), -1, np.float32)
        )
        size = min(LARGEST_PIECE, max(SMALLEST_PIECE, -(-total // PIECES_WANTED)))
        starts = range(0, total, size)

        def checkpoint(start: int) -> Path:
            path = folder / f"from-{start:09d}.npz"
            if not path.exists():
                self._write(path, self._layout.order[start : start + size])
            return path

        with (progress or Silent()).task("neighbours", total, "images") as task:
            for start, path in zip(starts, in_threads(checkpoint, starts, self._searcher), strict=True):
                with np.load(path) as piece:
                    result.images[piece["looking"]] = piece["images"]
                    result.cosines[piece["looking"]] = piece["cosines"]
                task.advance(min(size, total - start))
        return result

    def _write(self, path: Path, images: NDArray[np.int64]) -> None:
        if self._looking is not None:
            images = images[self._looking[images]]
        queries = self._rows.take(images)
        found, cosines = self._searcher.in_blocks(queries, self._blocks(queries), self._count + 1)
        found, cosines = without_self(images, found, cosines)
        with written_whole(path) as file:
            np.savez(file, looking=images, images=found.astype(np.int32), cosines=cosines)

    def _blocks(self, queries: NDArray[np.float32]) -> Iterator[Block]:
        """The rows of every cell that any of ``queries`` searches, with those of them that do."""
        if not len(queries):
            return
        reach = self._searcher.among(queries, self._layout.centres, self._searched)
        by_cell = np.argsort(reach, axis=None, kind="stable")
        cells, starts = np.unique(reach.ravel()[by_cell], return_index=True)
        for cell, places in zip(cells.tolist(), np.split(by_cell, starts[1:]), strict=True):
            yield from self._cell_blocks(cell, places // reach.shape[1])

    def _cell_blocks(self, cell: int, asking: NDArray[np.int64]) -> Iterator[Block]:
        end = int(self._layout.starts[cell + 1])
        for start in range(int(self._layout.starts[cell]), end, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, end)
            images, rows = self._layout.order[start:stop], self._rows.span(start, stop)
            if self._found is not None:
                images, rows = images[self._found[images]], rows[self._found[images]]
            yield Block(images, rows, asking)


def recall_of(
    layout: Layout,
    searcher: Searcher,
    neighbours: Neighbours,
    count: int,
    among: NDArray[np.bool_] | None = None,
) -> float:
    """The share of the ``count`` true neighbours (``among`` the images looked through) that were found.

    Measured on a sample of the images that looked, by an exact search.
    """
    rows = layout.rows
    images = sample_images(len(rows), seed=3)
    if among is not None:
        images = images[among[images]]
    truth = true_neighbours(layout, searcher, images, count, among)
    wanted = hits = 0
    for image, others in zip(images.tolist(), truth, strict=True):
        wanted += int((others >= 0).sum())
        hits += int(np.isin(others[others >= 0], neighbours.images[image]).sum())
    return hits / wanted if wanted else 1.0
