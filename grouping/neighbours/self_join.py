"""Finds the nearest other images of every image.

Comes in: inverted lists, how many cells to probe. Goes out: each image's neighbours. Images are processed in
the order of their vectors, some ten thousand at a time: all that probe a cell are multiplied with it at once,
so each cell is read only once per piece. Each piece is a checkpoint, so a killed join can be resumed; on a
cluster, workers compute the pieces. Memory holds one piece per thread, and the result. Not its job: choosing
the number of cells (see probe_count).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.executors import Channel, Work, in_order, in_threads
from triptych.grouping.neighbours import map_in_threads, open_searcher
from triptych.grouping.neighbours.inverted_lists import InvertedLists, open_inverted_lists
from triptych.grouping.neighbours.unit_vectors import Block
from triptych.progress import Progress, Silent
from triptych.runs.arrays import write_array
from triptych.runs.checkpoints import is_whole, note_whole
from triptych.runs.jsonl import make_folder, written_whole

MIN_PIECE_IMAGES, MAX_PIECE_IMAGES = 1_024, 32_768
"""Images that are searched together: at most 64 MB in float32 at 512 dimensions."""

QUERIES, CANDIDATES, APART = "queries.npy", "candidates.npy", "apart.npy"

RESULTS_AT_ONCE = 4_194_304
"""Results (an image and a cosine each) held at a time if images of the own group are filtered out: 48 MB."""

PIECES_WANTED = 16
"""A small corpus is cut into this many pieces, so that several threads have work."""


class Neighbours(NamedTuple):
    """``images`` is ``int32[n, count]``, nearest first, padded with -1; ``cosines`` is ``float32[n, count]``.

    The cosines come from matrix products and are accurate to SEARCH_SLACK.
    """

    images: NDArray[np.int32]
    cosines: NDArray[np.float32]


class SelfJoin(msgspec.Struct, frozen=True, eq=False):
    """A self-join of ``queries`` with ``candidates``."""

    lists: InvertedLists
    probe_count: int
    count: int
    """Neighbours per image."""
    queries: NDArray[np.bool_] | None = None
    """``bool[n]``: images to find neighbours for; None means all."""
    candidates: NDArray[np.bool_] | None = None
    """``bool[n]``: images that may be found; None means all."""
    apart: NDArray[np.int32] | None = None
    """``int32[n]``: group numbers; images of the same group don't find each other, except in group -1."""

    def run(self, folder: Path, progress: Progress | None = None) -> Neighbours:
        """All neighbours. Checkpoints are written to ``folder``, and existing ones are reused."""
        make_folder(folder)
        total = len(self.lists.order)
        result = Neighbours(
            np.full((total, self.count), -1, np.int32), np.full((total, self.count), -1, np.float32)
        )
        size = min(MAX_PIECE_IMAGES, max(MIN_PIECE_IMAGES, -(-total // PIECES_WANTED)))
        starts = range(0, total, size)

        def checkpoint(start: int) -> Path:
            path = _checkpoint_path(folder, start)
            if not is_whole(path):
                self.write(path, start, size)
                note_whole(path)
            return path

        with (progress or Silent()).task("neighbours", total, "images") as task:
            done_by_workers = set()
            missing = [start for start in starts if not is_whole(_checkpoint_path(folder, start))]
            for start in self._write_on_workers(folder, missing, size):
                done_by_workers.add(start)
                task.advance(min(size, total - start))
            paths = map_in_threads(checkpoint, starts, self.lists.searcher)
            for start, path in zip(starts, paths, strict=True):
                with np.load(path, allow_pickle=False) as piece:
                    result.images[piece["queries"]] = piece["images"]
                    result.cosines[piece["queries"]] = piece["cosines"]
                if start not in done_by_workers:
                    task.advance(min(size, total - start))
        return result

    def _write_on_workers(self, folder: Path, starts: Sequence[int], size: int) -> Iterator[int]:
        """Have the workers of a cluster write the pieces at ``starts``; does nothing without a cluster.

        A worker that is taken for dead may still be writing, so each writes under a name of its own, and
        finished files are renamed here.
        """
        workers = self.lists.workers
        if workers is None or not starts:
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
            has_gpu=workers.gpus > 0,
            threads=workers.threads,
        )
        purpose = "finds neighbours"
        with workers.open_executor(["join"], set_up, purpose=purpose, gpus=workers.gpus) as executor:
            for start, name in zip(starts, in_order(executor, starts), strict=True):
                path = _checkpoint_path(folder, start)
                (folder / name).replace(path)
                note_whole(path)
                yield start

    def write(self, path: Path, start: int, size: int) -> None:
        """Write the neighbours of ``size`` images from ``start`` on, in the order of the lists."""
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
        """Neighbours of other groups: each block is searched for more, by the size of its largest group."""
        found = np.full((len(images), self.count), -1, np.int64)
        cosines = np.full((len(images), self.count), -1, np.float32)
        for block in self._blocks(queries):
            groups = apart[block.images]
            most = np.unique(groups[groups >= 0], return_counts=True)[1].max(initial=0)
            count = min(self.count + 1 + int(most), len(block.images))
            step = max(1, RESULTS_AT_ONCE // max(1, count))
            for start in range(0, len(block.queries) if count else 0, step):
                rows = block.queries[start : start + step]
                part = block._replace(queries=np.arange(len(rows)))
                near, near_cosines = self.lists.searcher.search(queries[rows], [part], count)
                own = images[rows][:, None]
                is_excluded = (near == own) | ((apart[near] == apart[own]) & (apart[own] >= 0))
                near_cosines = np.where(is_excluded, -2, near_cosines)
                near = np.concatenate([found[rows], near], axis=1)
                near_cosines = np.concatenate([cosines[rows], near_cosines], axis=1)
                best = np.argsort(-near_cosines, axis=1, kind="stable")[:, : self.count]
                found[rows] = np.take_along_axis(near, best, axis=1)
                cosines[rows] = np.take_along_axis(near_cosines, best, axis=1)
        return found, cosines

    def _blocks(self, queries: NDArray[np.float32]) -> Iterator[Block]:
        """The vectors of every cell that any query probes, with the numbers of these queries."""
        if not len(queries):
            return
        probed = self.lists.searcher.nearest_centroids(queries, self.lists.centroids, self.probe_count)
        by_cell = np.argsort(probed, axis=None, kind="stable")
        cells, starts = np.unique(probed.ravel()[by_cell], return_index=True)
        for cell, positions in zip(cells.tolist(), np.split(by_cell, starts[1:]), strict=True):
            probing = positions // probed.shape[1]
            for images, vectors in self.lists.spans(cell):
                inside = slice(None) if self.candidates is None else self.candidates[images]
                yield Block(images[inside], vectors[inside], probing)


class _WritePieces(msgspec.Struct, frozen=True, kw_only=True):
    """Sets up a worker: opens the lists, and writes pieces in several threads."""

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

        def write_pieces(channel: Channel) -> None:
            searcher.work_in_one_thread()
            for number, start in channel.units():
                path = self.folder / f"from-{start:09d}.{uuid.uuid4().hex}.npz"
                join.write(path, start, self.size)
                channel.finish(number, path.name)

        return in_threads(searcher.threads, write_pieces)


def _checkpoint_path(folder: Path, start: int) -> Path:
    return folder / f"from-{start:09d}.npz"


def without_self(
    images: NDArray[np.int64], found: NDArray[np.int64], cosines: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Remove each image from its own row of ``found``, which gets one column less.

    If equal images have displaced it from its row, the last one is removed instead.
    """
    keep = found != images[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(found), found.shape[1] - 1)
    return found[keep].reshape(shape), cosines[keep].reshape(shape)
