"""Groups that images belong to, such as albums or videos, and neighbours as these let them be.

Comes in: a name of each image's group. Goes out: which images may share a set; for each image the nearest of
its own group, or of all others. Not its job: where names come from (see sets_stage).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import in_threads
from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin, without_self
from triptych.grouping.neighbours.unit_vectors import Block
from triptych.grouping.sets.duplicates import Corpus
from triptych.progress import Progress


class Groups(NamedTuple):
    """``of`` is ``int32[n]``: a number for each image's group; -1 where it has none."""

    of: NDArray[np.int32]
    together: bool
    """Whether only images of one group share a set; else no two of one do."""

    def fit(self, members: list[int], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``bool[others]``: which may be in a set with each of ``members``."""
        own, theirs = self.of[members], self.of[others]
        if self.together:
            alike: NDArray[np.bool_] = (theirs >= 0) & (theirs[:, None] == own).all(axis=1)
            return alike
        apart: NDArray[np.bool_] = (theirs < 0) | ~np.isin(theirs, own)
        return apart


def groups_from(names: Sequence[str], *, together: bool) -> Groups:
    """Of each image's group; "" where it has none."""
    number = {name: at for at, name in enumerate(sorted(set(names) - {""}))}
    return Groups(np.array([number.get(name, -1) for name in names], np.int32), together)


def neighbours_in_groups(
    corpus: Corpus, groups: Groups, count: int, mask: NDArray[np.bool_], folder: Path, progress: Progress
) -> Neighbours:
    """For each image of ``mask`` its nearest of ``mask`` that it may share a set with.

    Within a group the search is exact; its time grows with the square of the group.
    """
    if not groups.together:
        join = SelfJoin(
            corpus.lists, corpus.probe_count, count, queries=mask, candidates=mask, apart=groups.of
        )
        return join.run(folder, progress)
    total = len(mask)
    result = Neighbours(np.full((total, count), -1, np.int32), np.full((total, count), -1, np.float32))
    images = np.flatnonzero(mask & (groups.of >= 0))
    images = images[np.argsort(groups.of[images], kind="stable")]
    lists = corpus.lists

    def search(piece: tuple[NDArray[np.int64], NDArray[np.int64]]) -> int:
        own, group = piece
        everyone = np.arange(len(own))
        blocks = (
            Block(some, lists.vectors.take(some), everyone)
            for some in np.split(group, range(VECTORS_AT_ONCE, len(group), VECTORS_AT_ONCE))
        )
        found, cosines = lists.searcher.search(lists.vectors.take(own), blocks, count + 1)
        found, result.cosines[own] = without_self(own, found, cosines)
        result.images[own] = found
        return len(own)

    starts = np.flatnonzero(np.diff(groups.of[images])) + 1
    pieces = (
        (own, group)
        for group in np.split(images, starts)
        for own in np.split(group, range(VECTORS_AT_ONCE, len(group), VECTORS_AT_ONCE))
        if len(group) > 1
    )
    with progress.task("neighbours in groups", len(images), "images") as task:
        for searched in in_threads(search, pieces, lists.searcher):
            task.advance(searched)
    return result
