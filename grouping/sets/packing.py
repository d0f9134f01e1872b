"""Packs related images into disjoint sets.

Comes in: pairs of mutual neighbours with cosines in [related, duplicate). Goes out: disjoint ImageSets in
which every pair's cosine is in that range. Packing is greedy: the two most similar free images start a set,
then the free image most similar to all members joins, until the wanted size is reached. For equal cosines,
images in crowded neighbourhoods count as less similar. Sets stay even: no pair is much farther apart than the
first, unless all members are clearly similar. Other images stay free for a set of their own (docs/sets.md).
Not its job: duplicates; which sets to keep if fewer are wanted (see selection).

The wanted size is drawn by a hash of the first pair, with the config's weights: by default 4, 3, 2, 1 for 2
to 5 images. The set is smaller if fewer images fit.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each
from triptych.grouping.sets.groups import GroupConstraint
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.pairs import Graph, Pairs
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress, Silent, Task
from triptych.records import ImageSet, SetKind, set_id
from triptych.runs.sampling import hash64

CROWDING_POWER = 0.8
"""How much distances are stretched in crowded neighbourhoods: among the onions and mushrooms of one shelf, a
high cosine says less than elsewhere. 0 would disable it; 1 would measure distances relative to those of the
nearest others (docs/decisions/0100-distances-in-crowded-regions.md)."""

CROWD = 10
"""Number of nearest related images over which the crowding around an image is averaged."""

EVENNESS = 1.2
"""Largest distance (1 - cosine) within a set, relative to that of its first pair
(docs/decisions/0100-distances-in-crowded-regions.md)."""

SURE_SHARE = 0.5
"""Position between ``related`` (0) and ``duplicate`` (1). An image joins regardless of EVENNESS if its
likeness to all members reaches it: on photographs, a quarter more sets of three or more, of equal purity."""

PAIRS_AT_ONCE = 65_536


def pack_sets(
    table: ImageTable,
    vectors: UnitVectors,
    pairs: Pairs,
    thresholds: Thresholds,
    config: SetsConfig,
    progress: Progress | None = None,
    groups: GroupConstraint | None = None,
) -> list[ImageSet]:
    """Sets of images of ``table``, sorted by smallest key. All ``pairs`` must be allowed to share a set.

    The result doesn't depend on the order in which images were embedded.
    """
    packing = _GreedyPacking(table, vectors, pairs, thresholds, config, groups)
    with (progress or Silent()).task("packing sets", len(pairs.left), "pairs") as task:
        found = sorted(packing.pack(task), key=min)
    return [packing.make_set(members) for members in found]


def drawn_size(config: SetsConfig, seed: str) -> int:
    """A set size, drawn by a hash of ``seed`` with the weights of ``config``."""
    shares = list(accumulate(config.weight_of_sizes()))
    return config.min_images + bisect_right(shares, hash64(seed) % shares[-1])


class _GreedyPacking:
    """Packs sets, and keeps track of free images."""

    def __init__(
        self,
        table: ImageTable,
        vectors: UnitVectors,
        pairs: Pairs,
        thresholds: Thresholds,
        config: SetsConfig,
        groups: GroupConstraint | None,
    ) -> None:
        self._table, self._vectors, self._thresholds, self._config = table, vectors, thresholds, config
        self._groups = groups
        self._graph = Graph(pairs, len(table.keys))
        crowding = self._graph.crowding(thresholds.related, CROWD)
        self._stretch = (1 - crowding / (1 - thresholds.related)) ** (-CROWDING_POWER / 2)
        """``float64[images]``, at least 1: factor for an image's distances to others."""
        cosines = pairs.cosines.astype(np.float64)
        distances = (1 - cosines) * self._stretch[pairs.left] * self._stretch[pairs.right]
        order = np.lexsort((pairs.right, pairs.left, distances))
        self._left, self._right, self._cosines = pairs.left[order], pairs.right[order], cosines[order]
        self._free = np.ones(len(table.keys), bool)

    def pack(self, task: Task) -> list[list[int]]:
        """One pass over all pairs of free images, most similar first. Returns the members of each set."""
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
        """Whether the set has more than two images, or its two are close or share a related third image."""
        if len(members) > 2 or self._config.prefer == "coverage":
            return True
        return cosine >= self._thresholds.close or self._graph.have_common(*members)

    def _grow(self, members: list[int], cosine: float) -> list[int]:
        """Add the most similar image to a pair of ``cosine`` until the set is large enough or none fits."""
        wanted = drawn_size(self._config, "\n".join(self._table.keys[member] for member in members))
        related = self._thresholds.related
        even, sure = related, related + SURE_SHARE * (self._thresholds.duplicate - related)
        if self._config.prefer == "precision":
            even = max(related, 1 - EVENNESS * (1 - cosine))
        if wanted == len(members):
            return members
        near = self._free_near(members)
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
            best = int(np.argmax(fitting))  # among equals, the smallest key
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

    def make_set(self, members: list[int]) -> ImageSet:
        """The set, ordered from its most central image, each followed by the most similar one left."""
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
        likeness = round(float((1 - (1 - pairs) * stretch[one] * stretch[other]).min()), 6)
        return new_set(self._table, [members[at] for at in order], pairs, likeness=likeness)


def new_set(
    table: ImageTable,
    members: list[int],
    pairs: NDArray[np.float32],
    *,
    likeness: float | None = None,
    kind: SetKind = "related",
    odd: str = "",
) -> ImageSet:
    """The set of ``members``, in their order; ``pairs`` are the cosines of all pairs."""
    keys = tuple(table.keys[image] for image in members)
    return ImageSet(
        id=set_id(keys),
        keys=keys,
        content=table.content_of(members),
        min_cosine_similarity=round(float(pairs.min()), 6),
        mean_cosine_similarity=round(float(pairs.mean()), 6),
        likeness=likeness,
        kind=kind,
        odd=odd,
    )
