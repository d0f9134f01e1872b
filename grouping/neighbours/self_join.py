"""The nearest other images of every image.

Comes in: inverted lists, how many cells to probe. Goes out: for each image its neighbours. Images are taken
in the order of their vectors, some ten thousand at a time: all that probe a cell are multiplied with it at
once, so what a search image by image reads again and again is read once. Each piece is a checkpoint, so a
killed join goes on where it was. In memory: a piece a thread, and the result. Not its job: choosing how many
cells (see probe_count).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import in_threads
from triptych.grouping.neighbours.inverted_lists import InvertedLists
from triptych.grouping.neighbours.unit_vectors import Block
from triptych.progress import Progress, Silent
from triptych.runs.checkpoints import is_whole, note_whole
from triptych.runs.jsonl import make_folder, written_whole

MIN_PIECE_IMAGES, MAX_PIECE_IMAGES = 1_024, 32_768
"""Images that search together: 64 MB in float32 at 512 dimensions."""

PIECES_WANTED = 16
"""A small corpus is cut into as many, so that several threads have work."""


class Neighbours(NamedTuple):
    """``images`` is ``int32[n, count]``, -1 where there are fewer; ``cosines`` ``float32[n, count]``.

    Nearest first. The cosines come from matrix products: right to SEARCH_SLACK.
    """

    images: NDArray[np.int32]
    cosines: NDArray[np.float32]


class SelfJoin(msgspec.Struct, frozen=True, eq=False):
    """One self-join: which images search, and which can be found."""

    lists: InvertedLists
    probe_count: int
    count: int
    """Neighbours an image."""
    queries: NDArray[np.bool_] | None = None
    """A mask over images: those that search. None: all."""
    candidates: NDArray[np.bool_] | None = None
    """A mask over images: those that can be found. None: all."""

    def run(self, folder: Path, progress: Progress | None = None) -> Neighbours:
        """All neighbours; checkpoints go to ``folder``, and those that are there are taken over."""
        make_folder(folder)
        total = len(self.lists.order)
        result = Neighbours(
            np.full((total, self.count), -1, np.int32), np.full((total, self.count), -1, np.float32)
        )
        size = min(MAX_PIECE_IMAGES, max(MIN_PIECE_IMAGES, -(-total // PIECES_WANTED)))
        starts = range(0, total, size)

        def checkpoint(start: int) -> Path:
            path = folder / f"from-{start:09d}.npz"
            if not is_whole(path):
                self._write(path, self.lists.order[start : start + size])
            return path

        with (progress or Silent()).task("neighbours", total, "images") as task:
            for start, path in zip(starts, in_threads(checkpoint, starts, self.lists.searcher), strict=True):
                with np.load(path, allow_pickle=False) as piece:
                    result.images[piece["queries"]] = piece["images"]
                    result.cosines[piece["queries"]] = piece["cosines"]
                task.advance(min(size, total - start))
        return result

    def _write(self, path: Path, images: NDArray[np.int64]) -> None:
        if self.queries is not None:
            images = images[self.queries[images]]
        queries = self.lists.vectors.take(images)
        found, cosines = self.lists.searcher.search(queries, self._blocks(queries), self.count + 1)
        found, cosines = without_self(images, found, cosines)
        with written_whole(path) as file:
            np.savez(file, queries=images, images=found.astype(np.int32), cosines=cosines)
        note_whole(path)

    def _blocks(self, queries: NDArray[np.float32]) -> Iterator[Block]:
        """The vectors of every cell that any of ``queries`` probes, with those of them that do."""
        if not len(queries):
            return
        probed = self.lists.searcher.nearest_centroids(queries, self.lists.centroids, self.probe_count)
        by_cell = np.argsort(probed, axis=None, kind="stable")
        cells, starts = np.unique(probed.ravel()[by_cell], return_index=True)
        for cell, places in zip(cells.tolist(), np.split(by_cell, starts[1:]), strict=True):
            probing = places // probed.shape[1]
            for images, vectors in self.lists.spans(cell):
                inside = slice(None) if self.candidates is None else self.candidates[images]
                yield Block(images[inside], vectors[inside], probing)


def without_self(
    images: NDArray[np.int64], found: NDArray[np.int64], cosines: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each line of ``found`` without the image itself, one shorter.

    An image that equals crowd out of its own line costs the line its last place.
    """
    keep = found != images[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(found), found.shape[1] - 1)
    return found[keep].reshape(shape), cosines[keep].reshape(shape)
