"""From neighbours to sets of the requested kinds.

Comes in: neighbours of the images that are kept. Goes out: sets. Not its job: how related sets are packed and
selected, and how other kinds are made (see packing, selection, kinds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.sets.duplicates import Corpus
from triptych.grouping.sets.groups import GroupConstraint
from triptych.grouping.sets.kinds import SetMixer, related_wanted
from triptych.grouping.sets.packing import pack_sets
from triptych.grouping.sets.pairs import pairs_from
from triptych.grouping.sets.selection import subsample
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import ImageSet


def assemble_sets(
    corpus: Corpus,
    neighbours: Neighbours,
    free: NDArray[np.bool_],
    thresholds: Thresholds,
    config: SetsConfig,
    progress: Progress,
    groups: GroupConstraint | None = None,
    kept: Sequence[ImageSet] = (),
) -> list[ImageSet]:
    """Sets of ``free`` images, ``bool[n]``, sorted by smallest key. Sets ``kept`` from before count towards
    ``max_sets`` and the shares of kinds. With ``groups``, ``neighbours`` must be allowed to share a set.
    """
    table, lists = corpus.image_table, corpus.lists
    pairs = pairs_from(neighbours, lists.vectors, thresholds.related, lists.searcher, free)
    pairs = pairs.where(pairs.mutual & (pairs.cosines.astype(np.float64) < thresholds.duplicate))
    sets = pack_sets(table, lists.vectors, pairs, thresholds, config, progress, groups)
    if config.max_sets is None and not config.has_other_kinds:
        return sets
    number = {key: image for image, key in enumerate(table.keys)}
    kept_kinds = Counter(each.kind for each in kept)
    wanted = related_wanted(len(sets), kept_kinds, config)
    if wanted < len(sets):
        sets = subsample(sets, wanted, lambda key: int(lists.cell_of[number[key]]), config)
    if not config.has_other_kinds:
        return sets
    left = free.copy()
    left[[number[key] for each in sets for key in each.keys]] = False
    mixer = SetMixer(table, lists.vectors, thresholds.unlike, config, groups, left, kept_kinds)
    return mixer.mix(sets)
