"""Duplicates and sets of a corpus that has gained and lost images since it was grouped.

Comes in: an image table, what was found before. Goes out: a set whose images are all there with the bytes
that they had stays as it is, so its captions stay too; what is still a copy of its image stays its duplicate,
for the reason that there is now. All others are free: new images, single ones, those of sets that lost one.
They are looked at for copies of each other and of what stays, and make new sets among themselves; none joins
a set that stays. Thresholds are those of before. Not its job: grouping everything anew (see sets).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin
from triptych.grouping.neighbours.unit_vectors import pair_cosines
from triptych.grouping.sets.duplicates import Corpus, are_copies, describe, find_duplicates, same_bytes
from triptych.grouping.sets.groups import Groups, neighbours_in_groups
from triptych.grouping.sets.making import make_sets
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import Duplicate, ImageSet


class Before(NamedTuple):
    """What was found when the corpus was grouped last."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    thresholds: Thresholds


class _Kept(NamedTuple):
    """What of it holds."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    is_duplicate: NDArray[np.bool_]
    stays: NDArray[np.bool_]
    """Images of sets that are kept, and those that kept duplicates are duplicates of."""
    in_sets: NDArray[np.bool_]


def group_what_is_new(
    corpus: Corpus,
    before: Before,
    config: SetsConfig,
    scratch: Path,
    progress: Progress,
    groups: Groups | None = None,
) -> tuple[list[Duplicate], list[ImageSet]]:
    """All duplicates, and all sets: those that stay, and those of free images."""
    table, lists, thresholds = corpus.image_table, corpus.lists, before.thresholds
    kept = _kept(corpus, before)
    rank = np.where(kept.stays, -1, table.batches)
    there = ~kept.is_duplicate
    copies = same_bytes(table.content_hashes, np.flatnonzero(there)[np.argsort(rank[there], kind="stable")])
    copies = {image: first for image, first in copies.items() if not kept.stays[image]}
    distinct = there.copy()
    distinct[list(copies)] = False
    free = distinct & ~kept.in_sets

    def join(queries: NDArray[np.bool_], candidates: NDArray[np.bool_], name: str) -> Neighbours:
        each = SelfJoin(lists, corpus.probe_count, config.neighbours, queries=queries, candidates=candidates)
        return each.run(scratch / name, progress)

    near = join(free, distinct, "join-copies")
    found, stays = find_duplicates(corpus, near, copies, thresholds, progress, distinct=distinct, rank=rank)
    free &= stays
    if groups is None:
        related = join(free, free, "join-free")
    else:
        related = neighbours_in_groups(
            corpus, groups, config.neighbours, free, scratch / "join-in-groups", progress
        )
    new = make_sets(corpus, related, free, thresholds, config, progress, groups, kept.sets)
    duplicates = sorted([*kept.duplicates, *found], key=lambda each: each.key)
    return duplicates, sorted([*kept.sets, *new], key=lambda each: min(each.keys))


def _kept(corpus: Corpus, before: Before) -> _Kept:
    table = corpus.image_table
    number = {key: image for image, key in enumerate(table.keys)}
    count = len(table.keys)
    in_sets, is_duplicate = np.zeros(count, bool), np.zeros(count, bool)
    sets: list[ImageSet] = []
    for each in before.sets:
        members = [number.get(key, -1) for key in each.keys]
        if -1 not in members and table.content_of(members) == each.content and not in_sets[members].any():
            sets.append(each)
            in_sets[members] = True
    stays = in_sets.copy()
    rows = [row for row in before.duplicates if row.key in number and row.of in number]
    rows = [row for row in rows if not in_sets[number[row.key]]]
    own = np.array([number[row.key] for row in rows], np.int64)
    of = np.array([number[row.of] for row in rows], np.int64)
    cosines = pair_cosines(corpus.lists.vectors, own, of)
    still = are_copies(table, before.thresholds, own, of, cosines)
    is_duplicate[own[still]], stays[of[still]] = True, True
    pairs = zip(own[still].tolist(), of[still].tolist(), cosines[still].tolist(), strict=True)
    duplicates = [describe(table, before.thresholds, *pair) for pair in pairs]
    return _Kept(duplicates, sets, is_duplicate, stays, in_sets)
