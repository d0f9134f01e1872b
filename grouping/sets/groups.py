"""Groups of images, such as albums or videos, that restrict which images may share a set.

Comes in: the name of each image's group. Goes out: which images may share a set; each image's nearest
neighbours within its group, or outside it. Not its job: where names come from (see sets_stage).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import map_in_threads
from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin, without_self
from triptych.grouping.neighbours.unit_vectors import Block
from triptych.grouping.sets.duplicates import Corpus
from triptych.progress import Progress


class GroupConstraint(NamedTuple):
    """Which images may share a set."""

    group_of: NDArray[np.int32]
    """``int32[n]``: number of each image's group; -1 if it has none."""
    is_together: bool
    """If True, only images of the same group may share a set; if False, only images of different groups."""

    def fit(self, members: list[int], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``bool[others]``: which may share a set with all ``members``."""
        own, theirs = self.group_of[members], self.group_of[others]
        fit: NDArray[np.bool_]
        if self.is_together:
            fit = (theirs >= 0) & (theirs[:, None] == own).all(axis=1)
        else:
            fit = (theirs < 0) | ~np.isin(theirs, own)
        return fit


def group_constraint(names: Sequence[str], *, together: bool) -> GroupConstraint:
    """From the name of each image's group; "" if it has none."""
    number = {name: at for at, name in enumerate(sorted(set(names) - {""}))}
    return GroupConstraint(np.array([number.get(name, -1) for name in names], np.int32), together)


def neighbours_in_groups(
    corpus: Corpus,
    groups: GroupConstraint,
    count: int,
    mask: NDArray[np.bool_],
    folder: Path,
    progress: Progress,
) -> Neighbours:
    """For each image of ``mask``, the nearest images of ``mask`` that may share a set with it.

    Within a group the search is exact; its time is quadratic in the size of the group.
    """
    if not groups.is_together:
        join = SelfJoin(
            corpus.lists, corpus.probe_count, count, queries=mask, candidates=mask, apart=groups.group_of
        )
        return join.run(folder, progress)
    total = len(mask)
    result = Neighbours(np.full((total, count), -1, np.int32), np.full((total, count), -1, np.float32))
    images = np.flatnonzero(mask & (groups.group_of >= 0))
    images = images[np.argsort(groups.group_of[images], kind="stable")]
    lists = corpus.lists

    def search(piece: tuple[NDArray[np.int64], NDArray[np.int64]]) -> int:
        own, group = piece
        all_queries = np.arange(len(own))
        blocks = (
            Block(some, lists.vectors.take(some), all_queries)
            for some in np.split(group, range(VECTORS_AT_ONCE, len(group), VECTORS_AT_ONCE))
        )
        found, cosines = lists.searcher.search(lists.vectors.take(own), blocks, count + 1)
        found, result.cosines[own] = without_self(own, found, cosines)
        result.images[own] = found
        return len(own)

    starts = np.flatnonzero(np.diff(groups.group_of[images])) + 1
    pieces = (
        (own, group)
        for group in np.split(images, starts)
        for own in np.split(group, range(VECTORS_AT_ONCE, len(group), VECTORS_AT_ONCE))
        if len(group) > 1
    )
    with progress.task("neighbours in groups", len(images), "images") as task:
        for searched in map_in_threads(search, pieces, lists.searcher):
            task.advance(searched)
    return result
