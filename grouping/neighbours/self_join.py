"""The nearest other images of every image.

Comes in: inverted lists, how many cells to probe. Goes out: for each image its neighbours. Images are taken
in the order of their vectors, some ten thousand at a time: all that probe a cell are multiplied with it at
once, so what a search image by image reads again and again is read once. Each piece is a checkpoint, so a
killed join goes on where it was; on a cluster its workers do the pieces. In memory: a piece a thread, and the
result. Not its job: choosing how many cells (see probe_count).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.executors import Desk, Work, in_order, side_by_side
from triptych.grouping.neighbours import in_threads, open_searcher
from triptych.grouping.neighbours.inverted_lists import InvertedLists, open_inverted_lists
from triptych.grouping.neighbours.unit_vectors import Block
from triptych.progress import Progress, Silent
from triptych.runs.arrays import write_array
from triptych.runs.checkpoints import is_whole, note_whole
from triptych.runs.jsonl import make_folder, written_whole

MIN_PIECE_IMAGES, MAX_PIECE_IMAGES = 1_024, 32_768
"""Images that search together: 64 MB in float32 at 512 dimensions."""

QUERIES, CANDIDATES, APART = "queries.npy", "candidates.npy", "apart.npy"

RESULTS_AT_ONCE = 4_194_304
"""Places of lines, where those of an image's own group are asked for and left out: 48 MB."""

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
    apart: NDArray[np.int32] | None = None
    """``int32[n]``: an image doesn't find those that have its number, from 0 on."""

    def run(self, folder: Path, progress: Progress | None = None) -> Neighbours:
        """All neighbours; checkpoints go to ``folder``, and those that are there are taken over."""
        make_folder(folder)
        total = len(self.lists.order)
        result = Neighbours(
            np.full((total, self.count), -1, np.int32), np.full((total, self.count), -1, np.float32)
        )
        size = min(MAX_PIECE_IMAGES, max(MIN_PIECE_IMAGES, -(-total // PIECES_WANTED)))
        starts = range(0, total, size)

        def place(start: int) -> Path:
            return folder / f"from-{start:09d}.npz"

        def checkpoint(start: int) -> Path:
            path = place(start)
            if not is_whole(path):
                self.write(path, start, size)
                note_whole(path)
            return path

        with (progress or Silent()).task("neighbours", total, "images") as task:
            spread = set()
            for start in self._spread(
                folder, [start for start in starts if not is_whole(place(start))], size
            ):
                spread.add(start)
                task.advance(min(size, total - start))
            for start, path in zip(starts, in_threads(checkpoint, starts, self.lists.searcher), strict=True):
                with np.load(path, allow_pickle=False) as piece:
                    result.images[piece["queries"]] = piece["images"]
                    result.cosines[piece["queries"]] = piece["cosines"]
                if start not in spread:
                    task.advance(min(size, total - start))
        return result

    def _spread(self, folder: Path, starts: Sequence[int], size: int) -> Iterator[int]:
        """Have the workers of a cluster write those pieces; nothing where there is none.

        A worker may be taken for dead and live on: each writes under a name of its own, and what it has
        reported is renamed here.
        """
        spread = self.lists.spread
        if spread is None or not starts:
            return
        masks = {QUERIES: self.queries, CANDIDATES: self.candidates, APART: self.apart}
        for name, mask in masks.items():
            if mask is not None:
                write_array(folder / name, mask)
        set_up = _WritePieces(
            folder=folder.absolute(),
            lists_folder=self.lists.folder.absolute(),
            probe_count=self.probe_count,
            count=self.count,
            size=size,
            has_gpu=spread.gpus > 0,
            threads=spread.threads,
        )
        purpose = "finds neighbours"
        with spread.open_executor(["join"], set_up, purpose=purpose, gpus=spread.gpus) as executor:
            for start, name in zip(starts, in_order(executor, starts), strict=True):
                path = folder / f"from-{start:09d}.npz"
                (folder / name).replace(path)
                note_whole(path)
                yield start

    def write(self, path: Path, start: int, size: int) -> None:
        """The neighbours of ``size`` images from ``start`` on, in the order of the lists."""
        images = self.lists.order[start : start + size]
        if self.queries is not None:
            images = images[self.queries[images]]
        queries = self.lists.vectors.take(images)
        if self.apart is None:
            found, cosines = self.lists.searcher.search(queries, self._blocks(queries), self.count + 1)
            found, cosines = without_self(images, found, cosines)
        else:
            found, cosines = self._search_apart(images, queries, self.apart)
        with written_whole(path) as file:
            np.savez(file, queries=images, images=found.astype(np.int32), cosines=cosines)

    def _search_apart(
        self, images: NDArray[np.int64], queries: NDArray[np.float32], apart: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Of each block, as many more are asked for as there are of its largest group."""
        found = np.full((len(images), self.count), -1, np.int64)
        cosines = np.full((len(images), self.count), -1, np.float32)
        for block in self._blocks(queries):
            groups = apart[block.images]
            most = np.unique(groups[groups >= 0], return_counts=True)[1].max(initial=0)
            count = min(self.count + 1 + int(most), len(block.images))
            step = max(1, RESULTS_AT_ONCE // max(1, count))
            for start in range(0, len(block.queries) if count else 0, step):
                lines = block.queries[start : start + step]
                part = block._replace(queries=np.arange(len(lines)))
                near, alike = self.lists.searcher.search(queries[lines], [part], count)
                own = images[lines][:, None]
                barred = (near == own) | ((apart[near] == apart[own]) & (apart[own] >= 0))
                near, alike = (
                    np.concatenate([found[lines], near], axis=1),
                    np.concatenate([cosines[lines], np.where(barred, -2, alike)], axis=1),
                )
                best = np.argsort(-alike, axis=1, kind="stable")[:, : self.count]
                found[lines] = np.take_along_axis(near, best, axis=1)
                cosines[lines] = np.take_along_axis(alike, best, axis=1)
        return found, cosines

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


class _WritePieces(msgspec.Struct, frozen=True, kw_only=True):
    """Sets up a worker: opens the lists, and writes pieces in threads, one each."""

    folder: Path
    lists_folder: Path
    probe_count: int
    count: int
    size: int
    has_gpu: bool
    threads: int

    def __call__(self, name: str) -> Work:
        searcher = open_searcher("cuda" if self.has_gpu else "cpu", self.threads)
        paths = [self.folder / name for name in (QUERIES, CANDIDATES, APART)]
        queries, candidates, apart = (np.load(path) if path.exists() else None for path in paths)
        lists = open_inverted_lists(self.lists_folder, searcher)
        join = SelfJoin(lists, self.probe_count, self.count, queries, candidates, apart)

        def write_pieces(desk: Desk) -> None:
            searcher.work_in_one_thread()
            for number, start in desk.units():
                path = self.folder / f"from-{start:09d}.{uuid.uuid4().hex}.npz"
                join.write(path, start, self.size)
                desk.finish(number, path.name)

        return side_by_side(searcher.threads, write_pieces)


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
