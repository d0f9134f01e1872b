"""Explains why an image is in its set, or in none.

Comes in: a run with finished sets, an image key. Goes out: lines of text. Neighbours are found by an
exhaustive search, so they include any that the approximate self-join missed. Not its job: changing anything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError, UsageError
from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.grouping.sets.image_table import ImageTable, load_image_table
from triptych.records import Duplicate, ImageSet, Screened
from triptych.runs.folder import RunFolder, Setting

NEIGHBOURS_SHOWN = 10
NEIGHBOURS_COUNTED = 40


class _Outcome(NamedTuple):
    """The outcome of grouping by image key."""

    screened: dict[str, Screened]
    duplicates: dict[str, Duplicate]
    set_of: dict[str, ImageSet]

    def of(self, key: str) -> str:
        if key in self.screened:
            return f"screened out: {self.screened[key].reason}"
        if key in self.duplicates:
            return f"a duplicate of {self.duplicates[key].of}"
        return f"in {self.set_of[key].id}" if key in self.set_of else "single"


def explain(run: RunFolder, key: str) -> Iterator[str]:
    """The outcome for ``key`` and why, and its nearest neighbours with their outcomes.

    Raises SetupError if sets aren't finished, UsageError if ``key`` isn't an image of the run.
    """
    if not run.is_finished("sets"):
        raise SetupError(f"{run.path}: sets are not finished; run `triptych group` first")
    table = load_image_table(run)
    image = bisect_left(table.keys, key)
    if table.keys[image : image + 1] != [key]:
        yield f"{key} can't be read: {_why_unreadable(run, key)}"
        return
    cosines = _cosines_to(table, image)
    nearest = [at for at in np.argsort(-cosines, kind="stable")[: NEIGHBOURS_COUNTED + 1] if at != image]
    cosine_to = {table.keys[at]: float(cosines[at]) for at in nearest}
    outcome = _outcome_of(run, {key, *cosine_to})
    if key in outcome.screened:
        screened = outcome.screened[key]
        yield f"{key} is screened out: {screened.reason} ({screened.value:g}; sets.screens.{screened.reason})"
        return
    stage = run.run_file.stages["sets"]
    related, close, duplicate = (
        float(str(stage.notes[f"{name}_cosine_similarity"])) for name in ("related", "close", "duplicate")
    )
    cosines = _cosines_to(table, image)
    nearest = [at for at in np.argsort(-cosines, kind="stable")[: NEIGHBOURS_COUNTED + 1] if at != image]
    cosine_to = {table.keys[at]: float(cosines[at]) for at in nearest}
    if key in outcome.set_of:
        yield from _why_in_set(outcome.set_of[key], key, table, cosines)
    else:
        groups = _group_hint(stage.settings)
        yield _why_in_none(key, outcome, cosine_to, related, close, duplicate, groups)
    why = stage.notes["thresholds_why"]
    yield f"thresholds: related from {related}, duplicates from {duplicate} ({why})"
    yield "nearest neighbours:"
    for other, cosine in list(cosine_to.items())[:NEIGHBOURS_SHOWN]:
        yield f"  {cosine:.4f}  {other}  {outcome.of(other)}"


def _outcome_of(run: RunFolder, keys: set[str]) -> _Outcome:
    return _Outcome(
        {each.key: each for each in run.screened() if each.key in keys},
        {each.key: each for each in run.duplicates() if each.key in keys},
        {key: image_set for image_set in run.sets() for key in keys.intersection(image_set.keys)},
    )


def _why_unreadable(run: RunFolder, key: str) -> str:
    for record in run.all_images():
        if record.key == key and record.unreadable is not None:
            return record.unreadable
    raise UsageError(f"no image {key} in {run.path}; keys are listed in {run.path / 'images'}")


def _cosines_to(table: ImageTable, image: int) -> NDArray[np.float32]:
    """``float32[n]``: cosines of all images of the table to ``image``."""
    own = next(block for block in table.blocks if image in block.images)
    at = int(np.flatnonzero(own.images == image)[0])
    vector = as_units(own.load()[at : at + 1])[0]
    cosines = np.empty(len(table.keys), np.float32)
    for block in table.blocks:
        for start in range(0, len(block.images), VECTORS_AT_ONCE):
            some = slice(start, start + VECTORS_AT_ONCE)
            cosines[block.images[some]] = as_units(block.load()[some]) @ vector
    return cosines


def _why_in_set(own: ImageSet, key: str, table: ImageTable, cosines: NDArray[np.float32]) -> Iterator[str]:
    why = {
        "related": "every pair is related",
        "varied": "a varied set, in which all images are unlike each other",
        "contrast": f"a contrast set, whose odd image is {own.odd}; the others are related",
    }
    yield (
        f"{key} is in {own.id} of {len(own.keys)} images: {why[own.kind]}"
        f" (lowest {own.min_cosine_similarity}, mean {own.mean_cosine_similarity})"
    )
    for member in own.keys:
        if member != key:
            yield f"  {cosines[bisect_left(table.keys, member)]:.4f}  {member}"


def _group_hint(settings: Mapping[str, Setting]) -> str:
    """That ``together`` or ``apart`` may be the reason. The run doesn't store the groups of images."""
    if field := settings.get("together"):
        what = f"only images of one {field} share a set, and an image without one is in none"
        return f"; some may be kept apart by `sets.together = {field}`: {what}"
    if field := settings.get("apart"):
        return f"; some may be kept apart by `sets.apart = {field}`: images of one {field} share no set"
    return ""


def _why_in_none(
    key: str,
    outcome: _Outcome,
    cosine_to: dict[str, float],
    related: float,
    close: float,
    duplicate: float,
    groups: str,
) -> str:
    if key in outcome.duplicates:
        copy = outcome.duplicates[key]
        return f"{key} is a duplicate of {copy.of}: {copy.reason} (cosine {copy.cosine_similarity})"
    gone = outcome.duplicates.keys() | outcome.screened.keys()
    staying = [other for other in cosine_to if other not in gone]
    near = [other for other in staying if related <= cosine_to[other] < duplicate]
    if not near:
        nearest = "no other is kept"
        if staying:
            nearest = f"the nearest that is kept, {staying[0]}, has {cosine_to[staying[0]]:.4f}"
        return f"{key} is in no set: no other image is related; {nearest}"
    taken = sum(other in outcome.set_of for other in near)
    return (
        f"{key} is in no set: {len(near)} of its nearest are related; {taken} of them are in sets"
        " that were full, or would be uneven with it; the others are not mutual neighbours,"
        f" or are below {close} with no third image related to both, or their set was not among those kept"
        f"{groups}"
    )
