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

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.inverted_lists import InvertedLists
from triptych.grouping.neighbours.probe_count import sample_images, true_neighbours, without_self
from triptych.grouping.neighbours.searcher import Block, Searcher, in_threads
from triptych.progress import Progress, Silent
from triptych.runs.jsonl import written_whole

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


class SelfJoin:
    """One self-join: which images search, and which can be found."""

    def __init__(
        self,
        lists: InvertedLists,
        searcher: Searcher,
        probe_count: int,
        count: int,
        queries: NDArray[np.bool_] | None = None,
        candidates: NDArray[np.bool_] | None = None,
    ) -> None:
        """``count`` neighbours an image. ``queries`` and ``candidates`` are masks over images; None: all."""
        self._lists, self._searcher = lists, searcher
        self._probe_count, self._count = probe_count, count
        self._queries, self._candidates = queries, candidates

    def run(self, folder: Path, progress: Progress | None = None) -> Neighbours:
        """All neighbours; checkpoints go to ``folder``, and those that are there are taken over."""
        folder.mkdir(parents=True, exist_ok=True)
        total = len(self._lists.order)
        result = Neighbours(
            np.full((total, self._count), -1, np.int32), np.full((total, self._count), -1, np.float32)
        )
        size = min(MAX_PIECE_IMAGES, max(MIN_PIECE_IMAGES, -(-total // PIECES_WANTED)))
        starts = range(0, total, size)

        def checkpoint(start: int) -> Path:
            path = folder / f"from-{start:09d}.npz"
            if not path.exists():
                self._write(path, self._lists.order[start : start + size])
            return path

        with (progress or Silent()).task("neighbours", total, "images") as task:
            for start, path in zip(starts, in_threads(checkpoint, starts, self._searcher), strict=True):
                with np.load(path) as piece:
                    result.images[piece["queries"]] = piece["images"]
                    result.cosines[piece["queries"]] = piece["cosines"]
                task.advance(min(size, total - start))
        return result

    def _write(self, path: Path, images: NDArray[np.int64]) -> None:
        if self._queries is not None:
            images = images[self._queries[images]]
        queries = self._lists.vectors.take(images)
        found, cosines = self._searcher.search(queries, self._blocks(queries), self._count + 1)
        found, cosines = without_self(images, found, cosines)
        with written_whole(path) as file:
            np.savez(file, queries=images, images=found.astype(np.int32), cosines=cosines)

    def _blocks(self, queries: NDArray[np.float32]) -> Iterator[Block]:
        """The vectors of every cell that any of ``queries`` probes, with those of them that do."""
        if not len(queries):
            return
        probed = self._searcher.nearest_centroids(queries, self._lists.centroids, self._probe_count)
        by_cell = np.argsort(probed, axis=None, kind="stable")
        cells, starts = np.unique(probed.ravel()[by_cell], return_index=True)
        for cell, places in zip(cells.tolist(), np.split(by_cell, starts[1:]), strict=True):
            probing = places // probed.shape[1]
            for images, vectors in self._lists.spans(cell):
                if self._candidates is None:
                    yield Block(images, vectors, probing)
                else:
                    inside = self._candidates[images]
                    yield Block(images[inside], vectors[inside], probing)


def measure_recall(
    lists: InvertedLists,
    searcher: Searcher,
    neighbours: Neighbours,
    count: int,
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """The share of the ``count`` true neighbours that were found, by an exact search for a sample of images.

    ``mask`` says which images searched and could be found.
    """
    images = sample_images(len(lists.vectors), seed=3)
    if mask is not None:
        images = images[mask[images]]
    truth = true_neighbours(lists, searcher, images, count, mask)
    wanted = hits = 0
    for image, others in zip(images.tolist(), truth, strict=True):
        wanted += int((others >= 0).sum())
        hits += int(np.isin(others[others >= 0], neighbours.images[image]).sum())
    return hits / wanted if wanted else 1.0
