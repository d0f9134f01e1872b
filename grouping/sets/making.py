"""From neighbours to sets of the kinds that are wanted.

Comes in: neighbours of the images that stay. Goes out: sets. Not its job: how related ones are packed, which
of them stay, what others are made of (see packing, selection, kinds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.sets.duplicates import Corpus
from triptych.grouping.sets.groups import Groups
from triptych.grouping.sets.kinds import KindsOfSets, related_wanted
from triptych.grouping.sets.packing import make_image_sets
from triptych.grouping.sets.pairs import pairs_from
from triptych.grouping.sets.selection import subsample
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import ImageSet


def make_sets(
    corpus: Corpus,
    neighbours: Neighbours,
    free: NDArray[np.bool_],
    thresholds: Thresholds,
    config: SetsConfig,
    progress: Progress,
    groups: Groups | None = None,
    kept: Sequence[ImageSet] = (),
) -> list[ImageSet]:
    """Sets of ``free`` images, ``bool[n]``, sorted by smallest key; those ``kept`` from before count towards
    ``max_sets`` and shares of kinds.

    With ``groups``, ``neighbours`` are those that may share a set.
    """
    table, lists = corpus.image_table, corpus.lists
    pairs = pairs_from(neighbours, lists.vectors, thresholds.related, lists.searcher, free)
    pairs = pairs.where(pairs.mutual & (pairs.cosines.astype(np.float64) < thresholds.duplicate))
    sets = make_image_sets(table, lists.vectors, pairs, thresholds, config, progress, groups)
    if config.max_sets is None and not config.has_kinds:
        return sets
    number = {key: image for image, key in enumerate(table.keys)}
    kept_kinds = Counter(each.kind for each in kept)
    wanted = related_wanted(len(sets), kept_kinds, config)
    if wanted < len(sets):
        sets = subsample(sets, wanted, lambda key: int(lists.cell_of[number[key]]), config)
    if not config.has_kinds:
        return sets
    left = free.copy()
    left[[number[key] for each in sets for key in each.keys]] = False
    kinds = KindsOfSets(table, lists.vectors, thresholds.unlike, config, groups, left, kept_kinds)
    return kinds.mixed(sets)
