"""Disjoint sets of related images.

Comes in: pairs of mutual neighbours with cosines in [related, duplicate). Goes out: ImageSets in which
every pair's cosine lies there too, and no image is in two. Sets are seeded by the most similar pair of images
that are free, and grown by the free image whose worst cosine to the members is best, up to a wanted size.
Then each set may swap a member for a free image where that lifts its worst cosine, and what the swaps set
free is packed once more. An image that is left over in the end joins a set that has room and is close to it
throughout, or takes a member of a larger set as its own partner. Two images alone need a third that is
related to both, or have to be close. Not its job: duplicates.

The wanted size is drawn, by a hash of the seeding pair, with the config's weights: 4, 3, 2, 1 for 2 to 5
images unless others are given, 3.0 on average, which is MMDU's average. Where fewer images are related
than wanted, the set is smaller.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.pairs import Graph, Pairs
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress, Silent, Task
from triptych.records import ImageSet, set_id

PAIRS_AT_ONCE = 65_536


def make_image_sets(
    table: ImageTable,
    vectors: UnitVectors,
    pairs: Pairs,
    thresholds: Thresholds,
    config: SetsConfig,
    progress: Progress | None = None,
) -> list[ImageSet]:
    """Sets over the images of ``table``. Sorted by their smallest key.

    The same for the same images, in whatever order they were embedded.
    """
    packing = _GreedyPacking(table.keys, vectors, pairs, thresholds, config)
    with (progress or Silent()).task("packing sets", 2 * len(pairs.left), "pairs") as task:
        packing.pack(task)
        packing.swap()
        packing.pack(task)
        packing.place_leftovers()
    found = sorted(packing.sets, key=min)
    return [_describe(table, vectors, members) for members in found]


def subsample(sets: Sequence[ImageSet], wanted: int, cell_of: Callable[[str], int]) -> list[ImageSet]:
    """``wanted`` of ``sets``, in their order, from all over the corpus. ``cell_of`` gives a key's cell.

    Each cell of the similarity space gives one set in turn, so a cell with ten times the images of another
    does not give ten times the sets. Inside a cell a hash decides.
    """
    turns: list[tuple[int, str]] = []
    given: Counter[int] = Counter()
    for image_set in sorted(sets, key=lambda each: each.id):  # an id is a hash
        cell = cell_of(image_set.keys[0])
        turns.append((given[cell], image_set.id))
        given[cell] += 1
    kept = {identifier for _, identifier in sorted(turns)[:wanted]}
    return [image_set for image_set in sets if image_set.id in kept]


class _GreedyPacking:
    """Sets so far, and who is still free."""

    def __init__(
        self,
        keys: Sequence[str],
        vectors: UnitVectors,
        pairs: Pairs,
        thresholds: Thresholds,
        config: SetsConfig,
    ) -> None:
        self._keys, self._vectors, self._thresholds, self._config = keys, vectors, thresholds, config
        order = np.lexsort((pairs.right, pairs.left, -pairs.cosines))
        self._left, self._right, self._cosines = (
            pairs.left[order], pairs.right[order], pairs.cosines[order].astype(np.float64)
        )  # fmt: skip
        self._graph = Graph(pairs, len(keys))
        self._shares = np.cumsum(config.weight_of_sizes())
        self._free = np.ones(len(keys), bool)
        self.sets: list[list[int]] = []

    def pack(self, task: Task) -> None:
        """One greedy pass over all pairs whose images are free, most similar first."""
        for start in range(0, len(self._left), PAIRS_AT_ONCE):
            left = self._left[start : start + PAIRS_AT_ONCE]
            right = self._right[start : start + PAIRS_AT_ONCE]
            both = self._free[left] & self._free[right]
            for one, other in zip(left[both].tolist(), right[both].tolist(), strict=True):
                if self._free[one] and self._free[other]:
                    members = self._grow([one, other], self._wanted_size(one, other))
                    if len(members) >= self._config.min_images and self._is_sound(members):
                        self._free[members] = False
                        self.sets.append(members)
            task.advance(len(left))

    def swap(self) -> None:
        """In each set, in turn, the one swap for a free image that lifts its worst cosine most."""
        for at, members in enumerate(self.sets):
            better = self._best_swap(members)
            if better is not None and self._is_sound(better):
                self._free[members] = True
                self._free[better] = False
                self.sets[at] = better

    def place_leftovers(self) -> None:
        """Images that are free join the set of one that they are paired with, or else take it from there."""
        set_of = np.full(len(self._free), -1)
        for number, members in enumerate(self.sets):
            set_of[members] = number
        for leftover, mate in self._leftovers(min_cosine=self._thresholds.close):
            members = self.sets[set_of[mate]]
            if len(members) < self._config.max_images and self._is_close(leftover, members):
                members.append(leftover)
                self._free[leftover], set_of[leftover] = False, set_of[mate]
        for leftover, mate in self._leftovers(min_cosine=self._thresholds.related):
            members = self.sets[set_of[mate]]
            if len(members) > self._config.min_images == 2 and self._is_sound([leftover, mate]):
                members.remove(mate)
                self._free[leftover], set_of[[leftover, mate]] = False, len(self.sets)
                self.sets.append([leftover, mate])

    def _leftovers(self, min_cosine: float) -> Iterator[tuple[int, int]]:
        """Images that are free, each with one that is in a set, the most similar first."""
        stop = int(np.searchsorted(-self._cosines, -min_cosine, side="right"))
        for start in range(0, stop, PAIRS_AT_ONCE):
            some = slice(start, min(start + PAIRS_AT_ONCE, stop))
            left, right = self._left[some], self._right[some]
            is_left, one_is = self._free[left], self._free[left] != self._free[right]
            leftovers, mates = np.where(is_left, left, right)[one_is], np.where(is_left, right, left)[one_is]
            for leftover, mate in zip(leftovers.tolist(), mates.tolist(), strict=True):
                if self._free[leftover]:
                    yield leftover, mate

    def _is_sound(self, members: list[int]) -> bool:
        """Two images alone are close, or a third is related to both."""
        return len(members) > 2 or self._graph.share_any(*members) or self._is_close(members[0], members[1:])

    def _is_close(self, image: int, members: list[int]) -> bool:
        cosines = cosines_with_each(self._vectors, members, np.array([image]))
        return bool(self._are_related(cosines, self._thresholds.close).all())

    def _grow(self, members: list[int], wanted: int) -> list[int]:
        """Add the best free one of the seeds' neighbours until ``wanted`` or none fits all."""
        if len(members) >= wanted:
            return members
        near = self._free_near(members)
        if not len(near):
            return members
        cosines = cosines_with_each(self._vectors, members, near)
        worst = np.where(self._are_related(cosines).all(axis=0), cosines.min(axis=0), -np.inf)
        while np.isfinite(worst).any():
            best = int(np.argmax(worst))  # of equals the first: the smallest key
            members = [*members, int(near[best])]
            if len(members) == wanted:
                break
            cosines = cosines_with_each(self._vectors, members[-1:], near)
            worst = np.where(self._are_related(cosines[0]), np.minimum(worst, cosines[0]), -np.inf)
            worst[best] = -np.inf
        return members

    def _best_swap(self, members: list[int]) -> list[int] | None:
        """``members`` with the one for a free image that lifts their worst cosine most; None if none does."""
        near = self._free_near(members)
        if not len(near):
            return None
        inside = cosines_with_each(self._vectors, members, np.array(members, np.int64))
        np.fill_diagonal(inside, 1.0)
        outside = cosines_with_each(self._vectors, members, near)
        fits = self._are_related(outside)
        best, lift = None, float(inside.min())
        for at in range(len(members)):
            stay = np.arange(len(members)) != at
            worst = np.minimum(outside[stay].min(axis=0), inside[np.ix_(stay, stay)].min())
            worst = np.where(fits[stay].all(axis=0), worst, -np.inf)
            if worst.max() > lift:
                lift, other = float(worst.max()), int(near[np.argmax(worst)])
                best = [*(member for member in members if member != members[at]), other]
        return best

    def _free_near(self, members: list[int]) -> NDArray[np.int64]:
        near = np.unique(np.concatenate([self._graph.of(member) for member in members]))
        free: NDArray[np.int64] = near[self._free[near] & ~np.isin(near, members)]
        return free

    def _are_related(
        self, cosines: NDArray[np.float32], min_cosine: float | None = None
    ) -> NDArray[np.bool_]:
        """Whether each is below the duplicate threshold and reaches ``min_cosine`` (None: the related)."""
        lowest = self._thresholds.related if min_cosine is None else min_cosine
        as_double = cosines.astype(np.float64)  # numpy would round the thresholds to float32
        inside: NDArray[np.bool_] = (as_double >= lowest) & (as_double < self._thresholds.duplicate)
        return inside

    def _wanted_size(self, one: int, other: int) -> int:
        seed = f"{self._keys[one]}\n{self._keys[other]}".encode()
        drawn = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) % int(self._shares[-1])
        return self._config.min_images + int(np.searchsorted(self._shares, drawn, side="right"))


def _describe(table: ImageTable, vectors: UnitVectors, members: list[int]) -> ImageSet:
    """The set, its most central image first, then always the nearest to the one before."""
    members = sorted(members)
    cosines = cosines_with_each(vectors, members, np.array(members, np.int64))
    pairs = cosines[np.triu_indices(len(members), k=1)]
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
    )
