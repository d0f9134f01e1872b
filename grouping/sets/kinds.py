"""Sets of the requested kinds: related, contrast (an odd image among related ones), varied (all unlike).

Comes in: neighbours of the images that are kept, the requested shares. Goes out: sets with these. A hash
selects the related sets that get an odd image. Odd images and those of varied sets are drawn from the free
images; an odd image may be at any position in its set. Shares refer to all sets: new sets make up for what
kept sets lack. If too few free images are unlike enough, there are fewer such sets than requested. Not its
job: how related sets are packed and selected (see packing, selection).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each
from triptych.grouping.sets.duplicates import Corpus
from triptych.grouping.sets.groups import GroupConstraint
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.packing import drawn_size, new_set, pack_sets
from triptych.grouping.sets.pairs import pairs_from
from triptych.grouping.sets.selection import subsample
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import ImageSet, SetKind
from triptych.runs.sampling import hash64

DRAWN_AT_ONCE = 32
"""Free images to consider for one set."""


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


def related_wanted(found: int, kept: Counter[SetKind], config: SetsConfig) -> int:
    """How many of the ``found`` related sets to use, given the numbers of sets ``kept`` from before, by kind.

    >>> related_wanted(100, Counter(), SetsConfig(varied_share=0.25, max_sets=40))
    30
    """
    if config.varied_share == 1:
        return 0
    if config.max_sets is None:
        return found
    room = max(0, config.max_sets - kept.total())
    varied = round(config.max_sets * config.varied_share) - kept["varied"]
    return min(found, room - min(room, max(0, varied)))


class SetMixer:
    """Makes contrast and varied sets from related sets and ``free`` images, ``bool[n]``.

    ``kept``: the number of sets kept from before, by kind.
    """

    def __init__(
        self,
        table: ImageTable,
        vectors: UnitVectors,
        unlike: float,
        config: SetsConfig,
        groups: GroupConstraint | None,
        free: NDArray[np.bool_],
        kept: Counter[SetKind],
    ) -> None:
        self._table, self._vectors, self._unlike = table, vectors, unlike
        self._config, self._groups, self._kept = config, groups, kept
        self._free = free if groups is None or not groups.is_together else free & (groups.group_of >= 0)
        self._order = np.random.default_rng(config.seed).permutation(np.flatnonzero(self._free)).tolist()
        self._pools: dict[int, list[int]] = {}
        """Images by group, if only images of the same group may share a set; otherwise a single pool."""
        for image in self._order:
            self._pools.setdefault(self._pool_of(image), []).append(image)

    def mix(self, related: Sequence[ImageSet]) -> list[ImageSet]:
        """``related``, some of them turned into contrast sets, and varied sets. Sorted by smallest key."""
        contrast, varied = self._wanted(len(related))
        by_hash = sorted(related, key=lambda each: hash64(f"{self._config.seed}\n{each.id}"))
        sets = [*map(self._with_odd, by_hash[:contrast]), *by_hash[contrast:]]
        for first in self._order:
            if not varied:
                break
            if self._free[first] and (image_set := self._varied(first)) is not None:
                sets.append(image_set)
                varied -= 1
        return sorted(sets, key=lambda each: min(each.keys))

    def _wanted(self, related: int) -> tuple[int, int]:
        """Numbers of new contrast and varied sets that bring all sets closest to the shares."""
        share, most, before = self._config.varied_share, self._config.max_sets, self._kept.total()
        left = len(self._order) if most is None else max(0, most - before - related)
        varied = left
        if share < 1:
            missing = (share * (before + related) - self._kept["varied"]) / (1 - share)
            varied = min(left, max(0, round(missing)))
        contrast = round(self._config.contrast_share * (before + related + varied)) - self._kept["contrast"]
        return min(related, max(0, contrast)), varied

    def _with_odd(self, related: ImageSet) -> ImageSet:
        """``related`` with an odd image, in place of the last if full. Unchanged if none fits."""
        own = [bisect_left(self._table.keys, key) for key in related.keys[: self._config.max_images - 1]]
        seed = f"{self._config.seed}\n{related.id}"
        drawn = self._drawn(self._pool_of(own[0]), seed)
        odd = next(compress(drawn, self._fit(own, drawn)), None)
        if odd is None:
            return related
        self._free[odd] = False
        place = hash64(f"{seed}\nplace") % (len(own) + 1)
        return self._make_set([*own[:place], odd, *own[place:]], "contrast", self._table.keys[odd])

    def _varied(self, first: int) -> ImageSet | None:
        """A set of ``first`` and free images unlike it and each other; None if there are too few."""
        seed = f"{self._config.seed}\n{self._table.keys[first]}"
        wanted, members = drawn_size(self._config, seed), [first]
        left = [image for image in self._drawn(self._pool_of(first), seed) if image != first]
        while left and len(members) < wanted:
            left = list(compress(left, self._fit(members[-1:], left)))
            members += left[:1]
            left = left[1:]
        if len(members) < self._config.min_images:
            return None
        self._free[members] = False
        return self._make_set(members, "varied", "")

    def _fit(self, members: list[int], others: list[int]) -> NDArray[np.bool_]:
        """``bool[others]``: which are unlike all ``members`` and may share a set with them."""
        numbers = np.array(others, np.int64)
        cosines = cosines_with_each(self._vectors, members, numbers).astype(np.float64)
        fit: NDArray[np.bool_] = np.all(cosines < self._unlike, axis=0)
        return fit if self._groups is None else fit & self._groups.fit(members, numbers)

    def _pool_of(self, image: int) -> int:
        if self._groups is None or not self._groups.is_together:
            return 0
        return int(self._groups.group_of[image])

    def _drawn(self, pool_number: int, seed: str) -> list[int]:
        """Up to DRAWN_AT_ONCE free images of a pool, from a position that depends on ``seed``."""
        pool, drawn = self._pools.get(pool_number, []), dict[int, None]()
        at = hash64(seed) % max(1, len(pool))
        for _ in range(len(pool)):
            if not pool or len(drawn) == DRAWN_AT_ONCE:
                break
            at %= len(pool)
            if self._free[pool[at]]:
                drawn[pool[at]] = None
                at += 1
            else:  # no longer free
                pool[at] = pool[-1]
                pool.pop()
        return list(drawn)

    def _make_set(self, members: list[int], kind: SetKind, odd: str) -> ImageSet:
        cosines = cosines_with_each(self._vectors, members, np.array(members, np.int64))
        pairs = cosines[np.triu_indices(len(members), k=1)]
        return new_set(self._table, members, pairs, kind=kind, odd=odd)
