"""Updates duplicates and sets of a corpus that has gained or lost images since it was grouped.

Comes in: an image table, a previous grouping. Goes out: duplicates and sets. A set is kept unchanged, and so
are its captions, if all its images exist with the same bytes. A duplicate is kept if it is still a copy of
its image, with the reason updated. All other images are free: new and single ones, and those of sets that
lost an image. Copies of each other and of kept images are looked for among them, and the rest form new sets;
none joins a kept set. Thresholds are the previous ones. Not its job: grouping everything again (see sets).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin
from triptych.grouping.neighbours.unit_vectors import pair_cosines
from triptych.grouping.sets.duplicates import (
    Corpus,
    are_copies,
    copies_by_bytes,
    find_duplicates,
    make_duplicate,
)
from triptych.grouping.sets.groups import GroupConstraint, neighbours_in_groups
from triptych.grouping.sets.kinds import assemble_sets
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import Duplicate, ImageSet


class PreviousGrouping(NamedTuple):
    """The result of the last grouping."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    thresholds: Thresholds


class _Kept(NamedTuple):
    """The part of the previous grouping that still holds. Masks are ``bool[n]``."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    is_duplicate: NDArray[np.bool_]
    must_stay: NDArray[np.bool_]
    """Images of kept sets, and those that kept duplicates refer to."""
    in_sets: NDArray[np.bool_]


def group_incrementally(
    corpus: Corpus,
    previous: PreviousGrouping,
    config: SetsConfig,
    scratch: Path,
    progress: Progress,
    groups: GroupConstraint | None = None,
) -> tuple[list[Duplicate], list[ImageSet]]:
    """All duplicates and all sets, kept and new ones."""
    table, lists, thresholds = corpus.image_table, corpus.lists, previous.thresholds
    kept = _kept(corpus, previous)
    rank = np.where(kept.must_stay, -1, table.batches)
    distinct = ~kept.is_duplicate
    by_rank = np.flatnonzero(distinct)[np.argsort(rank[distinct], kind="stable")]
    copies = copies_by_bytes(table.content_hashes, by_rank)
    copies = {image: first for image, first in copies.items() if not kept.must_stay[image]}
    distinct[list(copies)] = False
    free = distinct & ~kept.in_sets

    def join(queries: NDArray[np.bool_], candidates: NDArray[np.bool_], name: str) -> Neighbours:
        each = SelfJoin(lists, corpus.probe_count, config.neighbours, queries=queries, candidates=candidates)
        return each.run(scratch / name, progress)

    near = join(free, distinct, "join-copies")
    found, is_kept = find_duplicates(corpus, near, copies, thresholds, progress, distinct=distinct, rank=rank)
    free &= is_kept
    if groups is None:
        related = join(free, free, "join-free")
    else:
        related = neighbours_in_groups(
            corpus, groups, config.neighbours, free, scratch / "join-in-groups", progress
        )
    new = assemble_sets(corpus, related, free, thresholds, config, progress, groups, kept.sets)
    duplicates = sorted([*kept.duplicates, *found], key=lambda each: each.key)
    return duplicates, sorted([*kept.sets, *new], key=lambda each: min(each.keys))


def _kept(corpus: Corpus, previous: PreviousGrouping) -> _Kept:
    table = corpus.image_table
    number = {key: image for image, key in enumerate(table.keys)}
    count = len(table.keys)
    in_sets, is_duplicate = np.zeros(count, bool), np.zeros(count, bool)
    sets: list[ImageSet] = []
    for each in previous.sets:
        members = [number.get(key, -1) for key in each.keys]
        if -1 not in members and table.content_of(members) == each.content and not in_sets[members].any():
            sets.append(each)
            in_sets[members] = True
    must_stay = in_sets.copy()
    rows = [row for row in previous.duplicates if row.key in number and row.of in number]
    rows = [row for row in rows if not in_sets[number[row.key]]]
    own = np.array([number[row.key] for row in rows], np.int64)
    of = np.array([number[row.of] for row in rows], np.int64)
    cosines = pair_cosines(corpus.lists.vectors, own, of)
    is_copy = are_copies(table, previous.thresholds, own, of, cosines)
    is_duplicate[own[is_copy]], must_stay[of[is_copy]] = True, True
    pairs = zip(own[is_copy].tolist(), of[is_copy].tolist(), cosines[is_copy].tolist(), strict=True)
    duplicates = [make_duplicate(table, previous.thresholds, *pair) for pair in pairs]
    return _Kept(duplicates, sets, is_duplicate, must_stay, in_sets)
