"""Pairs of neighbours with the cosines that decide, and who is paired with whom.

Comes in: neighbours as a join found them. Goes out: undirected pairs, and a graph of them. Not its
job: what a pair means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import SEARCH_SLACK, Searcher, in_threads
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitVectors, pair_cosines

PAIRS_A_PIECE = 262_144

Wanted = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], NDArray[np.bool_]]
"""Of ``left``, ``right`` and cosines, which pairs are wanted; asked of some pairs at a time, in threads."""

IMAGES_AT_ONCE = 500_000
"""Whose pairs are sorted together: at 32 neighbours some 400 MB, however many images there are."""


class Pairs(NamedTuple):
    """``left < right``, sorted by both; ``mutual`` where each of the two found the other. All of length n."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    cosines: NDArray[np.float32]
    mutual: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """Those that ``mask`` has."""
        return Pairs(self.left[mask], self.right[mask], self.cosines[mask], self.mutual[mask])


def pairs_from(
    neighbours: Neighbours,
    vectors: UnitVectors,
    min_cosine: float,
    searcher: Searcher,
    mask: NDArray[np.bool_],
    wanted: Wanted | None = None,
) -> Pairs:
    """The pairs of images of ``mask`` with a cosine of ``min_cosine`` or more; of them those ``wanted``."""
    parts = [
        _pairs_from_left(neighbours, vectors, min_cosine, searcher, mask, wanted, start)
        for start in range(0, len(mask), IMAGES_AT_ONCE)
    ]
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _pairs_from_left(
    neighbours: Neighbours,
    vectors: UnitVectors,
    min_cosine: float,
    searcher: Searcher,
    mask: NDArray[np.bool_],
    wanted: Wanted | None,
    start: int,
) -> Pairs:
    """Those whose left image is one of the IMAGES_AT_ONCE from ``start`` on."""
    stop = min(start + IMAGES_AT_ONCE, len(mask))
    codes = np.sort(
        np.concatenate(
            [
                _codes(neighbours, slice(first, first + IMAGES_AT_ONCE), (start, stop), min_cosine, mask)
                for first in range(start, len(mask), IMAGES_AT_ONCE)
            ]
        )
    )
    new = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    twice = np.append(codes[1:] == codes[:-1], False)[: len(codes)][new]
    codes = codes[new]
    left, right = codes // len(mask), codes % len(mask)

    def chosen(some: slice) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        cosines = pair_cosines(vectors, left[some], right[some])
        is_chosen = cosines.astype(np.float64) >= min_cosine  # numpy would round the threshold to float32
        if wanted is not None:
            is_chosen &= wanted(left[some], right[some], cosines)
        return some.start + np.flatnonzero(is_chosen), cosines[is_chosen]

    pieces = [slice(at, at + PAIRS_A_PIECE) for at in range(0, len(codes), PAIRS_A_PIECE)]
    found = [(np.zeros(0, np.int64), np.zeros(0, np.float32)), *in_threads(chosen, pieces, searcher)]
    places, cosines = (np.concatenate(column) for column in zip(*found, strict=True))
    return Pairs(left[places].astype(np.int32), right[places].astype(np.int32), cosines, twice[places])


def _codes(
    neighbours: Neighbours,
    lines: slice,
    left: tuple[int, int],
    min_cosine: float,
    mask: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """``left * n + right`` of each pair that a line of ``lines`` has with its left image in that range."""
    images = neighbours.images[lines]
    own, places = np.nonzero((neighbours.cosines[lines] >= min_cosine - SEARCH_SLACK) & (images >= 0))
    others = images[own, places].astype(np.int64)
    own = own + lines.start
    smaller, larger = np.minimum(own, others), np.maximum(own, others)
    wanted = mask[own] & mask[others] & (left[0] <= smaller) & (smaller < left[1])
    codes: NDArray[np.int64] = smaller[wanted] * len(mask) + larger[wanted]
    return codes


class Graph:
    """Who is paired with whom."""

    def __init__(self, pairs: Pairs, images: int) -> None:
        source = np.concatenate([pairs.left, pairs.right])
        order = np.lexsort((-np.concatenate([pairs.cosines, pairs.cosines]), source))
        self._others: NDArray[np.int64] = np.concatenate([pairs.right, pairs.left])[order].astype(np.int64)
        self._cosines = np.concatenate([pairs.cosines, pairs.cosines])[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=images))])

    def crowding(self, lowest: float, others: int) -> NDArray[np.float64]:
        """``float64[images]``: how far the cosines of an image's nearest ``others`` lie above ``lowest``, on
        average, where one that it has no pair with counts as at ``lowest``.
        """
        above = np.zeros(len(self._starts) - 1)
        counts = np.diff(self._starts)
        for place in range(others):
            has = np.flatnonzero(counts > place)
            above[has] += self._cosines[self._starts[has] + place].astype(np.float64) - lowest
        return above / others

    def of(self, image: int) -> NDArray[np.int64]:
        """The images that ``image`` is paired with."""
        return self._others[self._starts[image] : self._starts[image + 1]]

    def share_any(self, one: int, other: int) -> bool:
        """Whether some image is paired with both."""
        return bool(np.intersect1d(self.of(one), self.of(other)).size)
