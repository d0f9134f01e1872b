"""Disjoint sets of related images.

Comes in: pairs of mutual neighbours with cosines in [related, duplicate). Goes out: ImageSets in which every
pair's cosine lies there too, and no image is in two. The two free images that are most alike become a set;
the free image that is most like all in it joins, and so on up to a wanted size. Two images of one cosine
are the less alike, the more crowded it is around them. A set stays even: none of its pairs is much farther
apart than its first, unless its images are surely alike, so an image that would only fill it up stays free
for a set of its own (docs/sets.md). Not its job: duplicates; which sets stay where fewer are wanted (see
selection).

The wanted size is drawn, by a hash of the first pair, with the config's weights: 4, 3, 2, 1 for 2 to 5 images
unless others are given. Where fewer images fit than wanted, the set is smaller.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each
from triptych.grouping.sets.groups import Groups
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.pairs import Graph, Pairs
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress, Silent, Task
from triptych.records import ImageSet, set_id
from triptych.runs.sampling import hash64

CROWDING_POWER = 0.8
"""How much more the distance of two images counts where others are near: among the onions and mushrooms of
one shelf a high cosine says less than elsewhere. At 0 it would say the same; at 1 distances would be measured
by those to the nearest others."""

CROWD = 10
"""Nearest related images, of which the crowding around an image is the mean."""

EVENNESS = 1.2
"""Times the distance (1 - cosine) of its first pair, within which the images of a set lie."""

SURE_SHARE = 0.5
"""Of the way from ``related`` to ``duplicate``. An image may join whose likeness to all of a set reaches it,
however near the first two are: on photographs, a quarter more sets of three or more, as pure as before."""

PAIRS_AT_ONCE = 65_536


def make_image_sets(
    table: ImageTable,
    vectors: UnitVectors,
    pairs: Pairs,
    thresholds: Thresholds,
    config: SetsConfig,
    progress: Progress | None = None,
    groups: Groups | None = None,
) -> list[ImageSet]:
    """Sets over the images of ``table``, as ``groups`` lets them be. Sorted by their smallest key.

    The same for the same images, in whatever order they were embedded. Each of ``pairs`` may be in a set.
    """
    packing = _GreedyPacking(table.keys, vectors, pairs, thresholds, config, groups)
    with (progress or Silent()).task("packing sets", len(pairs.left), "pairs") as task:
        found = sorted(packing.pack(task), key=min)
    return [packing.describe(table, members) for members in found]


def drawn_size(config: SetsConfig, seed: str) -> int:
    """A size, as often as ``config`` has it; ``seed`` decides."""
    shares = list(accumulate(config.weight_of_sizes()))
    return config.min_images + bisect_right(shares, hash64(seed) % shares[-1])


class _GreedyPacking:
    """Sets so far, and who is still free."""

    def __init__(
        self,
        keys: Sequence[str],
        vectors: UnitVectors,
        pairs: Pairs,
        thresholds: Thresholds,
        config: SetsConfig,
        groups: Groups | None,
    ) -> None:
        self._keys, self._vectors, self._thresholds, self._config = keys, vectors, thresholds, config
        self._groups = groups
        self._graph = Graph(pairs, len(keys))
        crowding = self._graph.crowding(thresholds.related, CROWD)
        self._stretch = (1 - crowding / (1 - thresholds.related)) ** (-CROWDING_POWER / 2)
        """``float64[images]``, 1 or more: how much farther off others are than their cosines say."""
        cosines = pairs.cosines.astype(np.float64)
        distances = (1 - cosines) * self._stretch[pairs.left] * self._stretch[pairs.right]
        order = np.lexsort((pairs.right, pairs.left, distances))
        self._left, self._right, self._cosines = pairs.left[order], pairs.right[order], cosines[order]
        self._free = np.ones(len(keys), bool)

    def pack(self, task: Task) -> list[list[int]]:
        """One pass over all pairs whose images are free, most alike first."""
        sets: list[list[int]] = []
        for start in range(0, len(self._left), PAIRS_AT_ONCE):
            left = self._left[start : start + PAIRS_AT_ONCE]
            right = self._right[start : start + PAIRS_AT_ONCE]
            cosines = self._cosines[start : start + PAIRS_AT_ONCE]
            both = self._free[left] & self._free[right]
            free = (each[both].tolist() for each in (left, right, cosines))
            for one, other, cosine in zip(*free, strict=True):
                if self._free[one] and self._free[other]:
                    members = self._grow([one, other], cosine)
                    if len(members) >= self._config.min_images and self._is_sound(members, cosine):
                        self._free[members] = False
                        sets.append(members)
            task.advance(len(left))
        return sets

    def _is_sound(self, members: list[int], cosine: float) -> bool:
        """Two images alone are close, or a third is related to both."""
        if len(members) > 2 or self._config.prefer == "coverage":
            return True
        return cosine >= self._thresholds.close or self._graph.share_any(*members)

    def _grow(self, members: list[int], cosine: float) -> list[int]:
        """Add what is most like all ``members``, of ``cosine`` so far, until none fits or they are enough."""
        wanted, related = self._wanted_size(*members), self._thresholds.related
        even, sure = related, related + SURE_SHARE * (self._thresholds.duplicate - related)
        if self._config.prefer == "precision":
            even = max(related, 1 - EVENNESS * (1 - cosine))
        near = self._free_near(members) if wanted > len(members) else np.zeros(0, np.int64)
        lowest, farthest = np.ones(len(near)), np.zeros(len(near))
        newest = members
        while len(members) < wanted and len(near):
            cosines = cosines_with_each(self._vectors, newest, near).astype(np.float64)
            lowest = np.minimum(lowest, cosines.min(axis=0))
            farthest = np.maximum(farthest, ((1 - cosines) * self._stretch[newest][:, None]).max(axis=0))
            farthest[(cosines >= self._thresholds.duplicate).any(axis=0)] = np.inf
            if self._groups is not None:
                farthest[~self._groups.fit(newest, near)] = np.inf
            likeness = 1 - farthest * self._stretch[near]
            fits = lowest >= (even if len(members) >= self._config.min_images else related)
            fits |= (lowest >= related) & (likeness >= sure)
            fitting = np.where(fits, likeness, -np.inf)
            best = int(np.argmax(fitting))  # of equals the first: the smallest key
            if fitting[best] == -np.inf:
                break
            newest = [int(near[best])]
            members = [*members, *newest]
            farthest[best] = np.inf
        return members

    def _free_near(self, members: list[int]) -> NDArray[np.int64]:
        near = np.unique(np.concatenate([self._graph.of(member) for member in members]))
        free: NDArray[np.int64] = near[self._free[near] & ~np.isin(near, members)]
        return free

    def _wanted_size(self, one: int, other: int) -> int:
        return drawn_size(self._config, f"{self._keys[one]}\n{self._keys[other]}")

    def describe(self, table: ImageTable, members: list[int]) -> ImageSet:
        """The set, its most central image first, then always the nearest to the one before."""
        members = sorted(members)
        cosines = cosines_with_each(self._vectors, members, np.array(members, np.int64))
        one, other = np.triu_indices(len(members), k=1)
        pairs, stretch = cosines[one, other], self._stretch[members]
        left = set(range(len(members)))
        order = [int(np.argmax(cosines.sum(axis=1)))]
        left.remove(order[0])
        while left:
            order.append(max(sorted(left), key=lambda at: cosines[order[-1], at]))
            left.remove(order[-1])
        names = tuple(table.keys[members[at]] for at in order)
        return ImageSet(
            id=set_id(names),
            keys=names,
            content=table.content_of([members[at] for at in order]),
            min_cosine_similarity=round(float(pairs.min()), 6),
            mean_cosine_similarity=round(float(pairs.mean()), 6),
            likeness=round(float((1 - (1 - pairs) * stretch[one] * stretch[other]).min()), 6),
        )
