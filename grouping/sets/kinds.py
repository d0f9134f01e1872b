"""Sets of other kinds than related: contrast sets with one odd image, varied sets of images all unlike.

Comes in: sets of related images, the images that no set has, the shares that are wanted. Goes out: sets with
those shares. A hash decides which related sets get an odd image. It is drawn from the free images, as are
those of varied sets, and lies anywhere in its set. Shares are of all sets: where some are kept from before,
new ones make up for what these lack. Where no free image is unlike enough, there are fewer such sets than
were asked for. Not its job: related sets (see packing).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each
from triptych.grouping.sets.groups import Groups
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.packing import drawn_size
from triptych.records import ImageSet, SetKind, set_id
from triptych.runs.sampling import hash64

DRAWN_AT_ONCE = 32
"""Free images that are looked at for one set."""


def related_wanted(found: int, kept: Counter[SetKind], config: SetsConfig) -> int:
    """How many of the ``found`` related sets stay, beside so many ``kept`` from before, by kind.

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


class KindsOfSets:
    """Makes sets of other kinds out of related ones and of ``free`` images, ``bool[n]``.

    ``kept`` has how many of each kind there are from before.
    """

    def __init__(
        self,
        table: ImageTable,
        vectors: UnitVectors,
        unlike: float,
        config: SetsConfig,
        groups: Groups | None,
        free: NDArray[np.bool_],
        kept: Counter[SetKind],
    ) -> None:
        self._table, self._vectors, self._unlike = table, vectors, unlike
        self._config, self._groups, self._kept = config, groups, kept
        self._free = free if groups is None or not groups.together else free & (groups.of >= 0)
        self._order = np.random.default_rng(config.seed).permutation(np.flatnonzero(self._free)).tolist()
        self._pools: dict[int, list[int]] = {}
        """Images that may share a set, as far as that is settled beforehand: one pool, or one a group."""
        for image in self._order:
            self._pools.setdefault(self._pool_of(image), []).append(image)

    def mixed(self, related: Sequence[ImageSet]) -> list[ImageSet]:
        """``related``, some with an odd image now, and varied sets, by smallest key."""
        contrast, varied = self._wanted(len(related))
        by_hash = sorted(related, key=lambda each: hash64(f"{self._config.seed}\n{each.id}"))
        sets = [*map(self._with_odd, by_hash[:contrast]), *by_hash[contrast:]]
        for first in self._order if varied else ():
            if self._free[first] and (image_set := self._varied(first)) is not None:
                sets.append(image_set)
                varied -= 1
                if not varied:
                    break
        return sorted(sets, key=lambda each: min(each.keys))

    def _wanted(self, related: int) -> tuple[int, int]:
        """How many contrast and varied sets, so that all sets have the shares as far as new ones can."""
        share, most, before = self._config.varied_share, self._config.max_sets, self._kept.total()
        left = len(self._order) if most is None else max(0, most - before - related)
        varied = left
        if share < 1:
            missing = (share * (before + related) - self._kept["varied"]) / (1 - share)
            varied = min(left, max(0, round(missing)))
        contrast = round(self._config.contrast_share * (before + related + varied)) - self._kept["contrast"]
        return min(related, max(0, contrast)), varied

    def _with_odd(self, related: ImageSet) -> ImageSet:
        """``related`` with an odd image more, or in place of its last where it is full; or as it is."""
        own = [bisect_left(self._table.keys, key) for key in related.keys[: self._config.max_images - 1]]
        seed = f"{self._config.seed}\n{related.id}"
        drawn = self._drawn(self._pool_of(own[0]), seed)
        fitting = [image for image, fits in zip(drawn, self._fit(own, drawn), strict=True) if fits]
        if not fitting:
            return related
        odd = fitting[0]
        self._free[odd] = False
        place = hash64(f"{seed}\nplace") % (len(own) + 1)
        return self._described([*own[:place], odd, *own[place:]], "contrast", self._table.keys[odd])

    def _varied(self, first: int) -> ImageSet | None:
        """A set of ``first`` and free images unlike it and each other; None where there are too few."""
        seed = f"{self._config.seed}\n{self._table.keys[first]}"
        wanted, members = drawn_size(self._config, seed), [first]
        left = [image for image in self._drawn(self._pool_of(first), seed) if image != first]
        while left and len(members) < wanted:
            left = [image for image, fits in zip(left, self._fit(members[-1:], left), strict=True) if fits]
            members += left[:1]
            left = left[1:]
        if len(members) < self._config.min_images:
            return None
        self._free[members] = False
        return self._described(members, "varied", "")

    def _fit(self, members: list[int], others: list[int]) -> NDArray[np.bool_]:
        """``bool[others]``: which are unlike each of ``members`` and may share a set with them."""
        numbers = np.array(others, np.int64)
        cosines = cosines_with_each(self._vectors, members, numbers).astype(np.float64)
        fit: NDArray[np.bool_] = np.all(cosines < self._unlike, axis=0)
        return fit if self._groups is None else fit & self._groups.fit(members, numbers)

    def _pool_of(self, image: int) -> int:
        return int(self._groups.of[image]) if self._groups is not None and self._groups.together else 0

    def _drawn(self, pool_number: int, seed: str) -> list[int]:
        """Up to DRAWN_AT_ONCE free images of a pool, from a place on that ``seed`` decides."""
        pool, drawn = self._pools.get(pool_number, []), dict[int, None]()
        at = hash64(seed) % max(1, len(pool))
        for _ in range(len(pool)):
            if not pool or len(drawn) == DRAWN_AT_ONCE:
                break
            at %= len(pool)
            if self._free[pool[at]]:
                drawn[pool[at]] = None
                at += 1
            else:  # used since
                pool[at] = pool[-1]
                pool.pop()
        return list(drawn)

    def _described(self, members: list[int], kind: SetKind, odd: str) -> ImageSet:
        cosines = cosines_with_each(self._vectors, members, np.array(members, np.int64))
        pairs = cosines[np.triu_indices(len(members), k=1)]
        keys = tuple(self._table.keys[image] for image in members)
        return ImageSet(
            id=set_id(keys),
            keys=keys,
            content=self._table.content_of(members),
            min_cosine_similarity=round(float(pairs.min()), 6),
            mean_cosine_similarity=round(float(pairs.mean()), 6),
            kind=kind,
            odd=odd,
        )
