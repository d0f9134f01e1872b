"""Why one image is in its set, or in none.

Comes in: a run whose sets are made, an image key. Goes out: lines for a person. Its neighbours are
found by a search through every embedding of the run, so what an approximate self-join may have missed
shows here. Not its job: changing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError, UsageError
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.records import Duplicate, ImageSet
from triptych.runs.folder import RunFolder

NEIGHBOURS_SHOWN = 10
VECTORS_AT_ONCE = 16_384


class _Neighbour(NamedTuple):
    cosine: float
    key: str


class _Fates(NamedTuple):
    """What became of the images of a run."""

    duplicates: dict[str, Duplicate]
    set_of: dict[str, ImageSet]

    def of(self, key: str) -> str:
        if key in self.duplicates:
            return f"a duplicate of {self.duplicates[key].of}"
        return f"in {self.set_of[key].id}" if key in self.set_of else "single"


def explain(run: RunFolder, key: str) -> Iterator[str]:
    """What became of ``key``, why, and its nearest neighbours with what became of them.

    Raises SetupError where the sets are not made, UsageError where ``key`` is no image of the run.
    """
    if not run.is_finished("sets"):
        raise SetupError(f"{run.path}: sets are not finished; run `triptych group` first")
    notes = run.run_file.stages["sets"].notes
    related, close, duplicate = (
        float(str(notes[f"{name}_cosine_similarity"])) for name in ("related", "close", "duplicate")
    )
    row = _row_of(run, key)
    if isinstance(row, str):
        yield f"{key} can't be read: {row}"
        return
    fates = _Fates(
        {each.key: each for each in run.duplicates()},
        {member: image_set for image_set in run.sets() for member in image_set.keys},
    )
    cosine_to: dict[str, float] = {}
    nearest = _nearest(run, key, row, cosine_to, fates)
    yield from _why(key, fates, nearest, cosine_to, related, close, duplicate)
    yield f"thresholds: related from {related}, duplicates from {duplicate} ({notes['thresholds_why']})"
    yield "nearest neighbours:"
    for neighbour in nearest[:NEIGHBOURS_SHOWN]:
        yield f"  {neighbour.cosine:.4f}  {neighbour.key}  {fates.of(neighbour.key)}"


def _row_of(run: RunFolder, key: str) -> NDArray[np.float32] | str:
    """The unit row of ``key``, or why it can't be read."""
    for shard in run.shards():
        at = 0
        for record in run.images(shard):
            if record.key == key:
                if record.unreadable is not None:
                    return record.unreadable
                stored = np.load(run.embeddings_file(shard), mmap_mode="r")
                unit: NDArray[np.float32] = as_units(stored[at : at + 1])[0]
                return unit
            at += record.unreadable is None
    raise UsageError(f"no image {key} in {run.path}; keys are listed in {run.path / 'images'}")


def _nearest(
    run: RunFolder, key: str, row: NDArray[np.float32], cosine_to: dict[str, float], fates: _Fates
) -> list[_Neighbour]:
    """Neighbours, nearest first. Fills ``cosine_to`` with the members of the image's own set."""
    mates = fates.set_of[key].keys if key in fates.set_of else ()
    best: list[_Neighbour] = []
    for shard in run.shards():
        keys = [record.key for record in run.images(shard) if record.unreadable is None]
        stored = np.load(run.embeddings_file(shard), mmap_mode="r")
        for start in range(0, len(keys), VECTORS_AT_ONCE):
            cosines = as_units(stored[start : start + VECTORS_AT_ONCE]) @ row
            some = keys[start : start + VECTORS_AT_ONCE]
            cosine_to.update((k, float(cosines[some.index(k)])) for k in mates if k in some)
            top = np.argsort(-cosines, kind="stable")[: 4 * NEIGHBOURS_SHOWN + 1]
            best += [_Neighbour(float(cosines[at]), some[at]) for at in top if some[at] != key]
            best = sorted(best, key=lambda each: (-each.cosine, each.key))[: 4 * NEIGHBOURS_SHOWN]
    return best


def _why(
    key: str,
    fates: _Fates,
    nearest: list[_Neighbour],
    cosine_to: dict[str, float],
    related: float,
    close: float,
    duplicate: float,
) -> Iterator[str]:
    if key in fates.duplicates:
        copy = fates.duplicates[key]
        yield f"{key} is a duplicate of {copy.of}: {copy.reason} (cosine {copy.cosine_similarity})"
        return
    if key in fates.set_of:
        own = fates.set_of[key]
        yield (
            f"{key} is in {own.id} of {len(own.keys)} images: every pair is related"
            f" (lowest {own.min_cosine_similarity}, mean {own.mean_cosine_similarity})"
        )
        for mate in own.keys:
            if mate != key:
                yield f"  {cosine_to[mate]:.4f}  {mate}"
        return
    staying = [each for each in nearest if each.key not in fates.duplicates]
    near = [each for each in staying if related <= each.cosine < duplicate]
    if not near:
        top = (
            f"the nearest that stays, {staying[0].key}, has {staying[0].cosine:.4f}"
            if staying
            else "none stays"
        )
        yield f"{key} is in no set: no other image is related; {top}"
        return
    taken = [each for each in near if each.key in fates.set_of]
    yield (
        f"{key} is in no set: {len(near)} of its nearest are related; {len(taken)} of them are in sets"
        " that were full, or whose other members it is not close to; the others are not mutual neighbours,"
        f" or are below {close} with no third image related to both, or their set was not among those kept"
    )
