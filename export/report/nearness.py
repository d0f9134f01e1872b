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

from corpus.progress import Progress
from corpus.records import ImageRecord
from corpus.runfolder import RunFolder
from export.report.histogram import CosineHistogram
from export.report.places import Place, blocks, unit_vectors

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
    units = unit_vectors(run, [*(place for places in sets for place in places), *sample])
    ends = np.cumsum([0, *map(len, sets)]).tolist()
    members = [units[start:end] for start, end in itertools.pairwise(ends)]
    drawn = units[ends[-1] :]
    outside = [_Outside(places, each) for places, each in zip(sets, members, strict=True)]
    best = np.full(len(sample), -np.inf, np.float32)
    with progress.task("report neighbours", None, "images") as task:
        for shard in run.shards():
            records = [record for record in run.images(shard) if record.unreadable is None]
            for start, block in blocks(run, shard, ROWS_AT_ONCE):
                some = records[start : start + len(block)]
                eligible = np.array([record.key not in set_aside for record in some], bool)
                for each in outside:
                    each.see(shard, start, block, eligible, some)
                best = np.maximum(best, _nearest_in(block, eligible, shard, start, drawn, sample))
                task.advance(len(block))
    if len(sample) > 1:
        by_chance.add((drawn @ drawn.T)[np.triu_indices(len(drawn), k=1)])
        nearest.add(best)
    within = [np.clip(each @ each.T, -1.0, 1.0) for each in members]
    return Nearness(within, [each.found for each in outside], by_chance, nearest)


class _Outside:
    """Looks for the outsider of one set."""

    def __init__(self, places: Sequence[Place], units: NDArray[np.float32]) -> None:
        self._own = {(place.shard, place.row) for place in places}
        self._units = units
        self._best = -np.inf
        self.found: Outsider | None = None

    def see(
        self,
        shard: str,
        start: int,
        block: NDArray[np.float32],
        eligible: NDArray[np.bool_],
        records: Sequence[ImageRecord],
    ) -> None:
        """Take a block into account. Of equals the first in the order of shards and rows."""
        cosines = block @ self._units.T
        weakest = np.where(eligible, cosines.min(axis=1), -np.inf)
        for own_shard, row in self._own:
            if own_shard == shard and start <= row < start + len(block):
                weakest[row - start] = -np.inf
        at = int(np.argmax(weakest))
        if weakest[at] > self._best:
            self._best = float(weakest[at])
            self.found = Outsider(
                Place(records[at], shard, start + at), np.clip(cosines[at].copy(), -1.0, 1.0)
            )


def _nearest_in(
    block: NDArray[np.float32],
    eligible: NDArray[np.bool_],
    shard: str,
    start: int,
    drawn: NDArray[np.float32],
    sample: Sequence[Place],
) -> NDArray[np.float32]:
    """Of each image of the sample, the cosine to its nearest in the block, itself left out."""
    if not sample or not eligible.any():
        return np.full(len(sample), -np.inf, np.float32)
    cosines = np.where(eligible[:, None], block @ drawn.T, -np.inf)
    for column, place in enumerate(sample):
        if place.shard == shard and start <= place.row < start + len(block):
            cosines[place.row - start, column] = -np.inf
    nearest: NDArray[np.float32] = cosines.max(axis=0).astype(np.float32)
    return nearest
