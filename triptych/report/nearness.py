"""What is near what: within the sets that are shown, just outside them, and by chance.

Comes in: places of images. Goes out: cosines of the stored embeddings. Everything outside a set is
searched exactly, in one pass, a block of rows in memory at a time. Not its job: making sets (see
grouping), saying in words what was found (see sheets).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.progress import Progress
from triptych.records import ImageRecord
from triptych.report.histogram import CosineHistogram
from triptych.report.places import Place, blocks, unit_vectors
from triptych.runs.folder import RunFolder

ROWS_AT_ONCE = 8192


class Outsider(NamedTuple):
    """The image outside a set whose least cosine to the set's images is greatest."""

    place: Place
    cosines: NDArray[np.float32]
    """To each image of the set, in its order."""


class Nearness(NamedTuple):
    """What the pass found."""

    within: list[NDArray[np.float32]]
    """Of each set, ``float32[n, n]``: the cosines of its images."""
    outsiders: list[Outsider | None]
    """Of each set; None where no other image stays."""
    by_chance: CosineHistogram
    nearest: CosineHistogram


def measure(
    run: RunFolder,
    sets: Sequence[Sequence[Place]],
    sample: Sequence[Place],
    set_aside: set[str],
    progress: Progress,
) -> Nearness:
    """Compare ``sets`` and ``sample`` with every image that isn't ``set_aside``."""
    by_chance = CosineHistogram("two images at random", f"all pairs of {len(sample):,} images drawn evenly")
    nearest = CosineHistogram("an image and its nearest", f"{len(sample):,} images drawn evenly, against all")
    scan = _Scan(run, sets, sample)
    with progress.task("report neighbours", None, "images") as task:
        for shard in run.shards():
            records = [record for record in run.images(shard) if record.unreadable is None]
            for start, block in blocks(run, shard, ROWS_AT_ONCE):
                some = records[start : start + len(block)]
                scan.see(shard, start, block, np.array([record.key in set_aside for record in some], bool))
                scan.name_winners(shard, start, some)
                task.advance(len(block))
    if len(sample) > 1:
        by_chance.add((scan.drawn @ scan.drawn.T)[np.triu_indices(len(sample), k=1)])
        nearest.add(scan.nearest)
    within = [np.clip(each @ each.T, -1.0, 1.0) for each in scan.members]
    return Nearness(within, scan.outsiders, by_chance, nearest)


class _Scan:
    """One pass: every block is multiplied once, by the images of all sets and of the sample."""

    def __init__(self, run: RunFolder, sets: Sequence[Sequence[Place]], sample: Sequence[Place]) -> None:
        own = [(number, place) for number, places in enumerate(sets) for place in places]
        self._units = unit_vectors(run, [*(place for _, place in own), *sample])
        ends = np.cumsum([0, *map(len, sets)]).tolist()
        self._starts, self._width = ends[:-1], ends[-1]
        self.members = [self._units[start:end] for start, end in itertools.pairwise(ends)]
        self.drawn = self._units[self._width :]
        self.nearest = np.full(len(sample), -np.inf, np.float32)
        self.outsiders: list[Outsider | None] = [None] * len(sets)
        self._best = np.full(len(sets), -np.inf, np.float32)
        self._won: list[tuple[int, int, NDArray[np.float32]]] = []
        self._own = _by_shard([(place, number) for number, place in own])
        self._drawn_at = _by_shard([(place, column) for column, place in enumerate(sample)])

    def see(self, shard: str, start: int, block: NDArray[np.float32], set_aside: NDArray[np.bool_]) -> None:
        """Take a block into account. Of equals the first in the order of shards and rows."""
        cosines = block @ self._units.T
        np.clip(cosines, -1.0, 1.0, out=cosines)
        to_sets, to_sample = cosines[:, : self._width], cosines[:, self._width :]
        if len(self._starts):
            weakest = np.minimum.reduceat(to_sets, self._starts, axis=1)
            weakest[set_aside] = -np.inf
            for row, number in self._own.get(shard, ()):
                if start <= row < start + len(block):
                    weakest[row - start, number] = -np.inf
            rows = weakest.argmax(axis=0)
            for number in np.flatnonzero(weakest.max(axis=0) > self._best).tolist():
                row, first = int(rows[number]), self._starts[number]
                self._best[number] = weakest[row, number]
                ties = to_sets[row, first : first + len(self.members[number])].copy()
                self._won.append((number, row, ties))
        if len(self.nearest):
            to_sample[set_aside] = -np.inf
            for row, column in self._drawn_at.get(shard, ()):
                if start <= row < start + len(block):
                    to_sample[row - start, column] = -np.inf
            np.maximum(self.nearest, to_sample.max(axis=0), out=self.nearest)

    def name_winners(self, shard: str, start: int, records: Sequence[ImageRecord]) -> None:
        """Say which images the last block's winners are."""
        for number, row, ties in self._won:
            self.outsiders[number] = Outsider(Place(records[row], shard, start + row), ties)
        self._won = []


def _by_shard(pairs: Sequence[tuple[Place, int]]) -> dict[str, list[tuple[int, int]]]:
    """``(row, number)`` of each shard."""
    found: dict[str, list[tuple[int, int]]] = {}
    for place, number in pairs:
        found.setdefault(place.shard, []).append((place.row, number))
    return found
