"""Pairs of neighbours with the cosines that decide, and who is paired with whom.

Comes in: neighbours as a join found them. Goes out: undirected pairs, and a graph of them. Not its
job: what a pair means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.faiss_search import SEARCH_SLACK, Searcher
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitRows, pair_cosines
from triptych.grouping.neighbours.workers import in_threads

PAIRS_A_PIECE = 262_144

IMAGES_AT_ONCE = 500_000
"""Whose pairs are sorted together: at 32 neighbours some 400 MB, however many images there are."""


class Pairs(NamedTuple):
    """``left < right``, sorted by both; ``mutual`` where each of the two found the other."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    cosines: NDArray[np.float32]
    mutual: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """Those that ``mask`` has."""
        return Pairs(self.left[mask], self.right[mask], self.cosines[mask], self.mutual[mask])


def pairs_from(
    neighbours: Neighbours, rows: UnitRows, at_least: float, searcher: Searcher, among: NDArray[np.bool_]
) -> Pairs:
    """The pairs of images of ``among`` with a cosine of ``at_least`` or more."""
    parts = [
        _pairs_from_left(neighbours, rows, at_least, searcher, among, start)
        for start in range(0, len(among), IMAGES_AT_ONCE)
    ]
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _pairs_from_left(
    neighbours: Neighbours,
    rows: UnitRows,
    at_least: float,
    searcher: Searcher,
    among: NDArray[np.bool_],
    start: int,
) -> Pairs:
    """Those whose left image is one of the IMAGES_AT_ONCE from ``start`` on."""
    stop = min(start + IMAGES_AT_ONCE, len(among))
    codes = np.sort(
        np.concatenate(
            [
                _codes(neighbours, slice(first, first + IMAGES_AT_ONCE), (start, stop), at_least, among)
                for first in range(start, len(among), IMAGES_AT_ONCE)
            ]
        )
    )
    new = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    twice = np.append(codes[1:] == codes[:-1], False)[: len(codes)][new]
    codes = codes[new]
    left, right = codes // len(among), codes % len(among)
    pieces = [slice(at, at + PAIRS_A_PIECE) for at in range(0, len(codes), PAIRS_A_PIECE)]
    computed = list(in_threads(lambda some: pair_cosines(rows, left[some], right[some]), pieces, searcher))
    cosines = np.concatenate([*computed, np.zeros(0, np.float32)])
    enough = cosines.astype(np.float64) >= at_least  # numpy would round the bound to float32
    return Pairs(left.astype(np.int32), right.astype(np.int32), cosines, twice).where(enough)


def _codes(
    neighbours: Neighbours,
    lines: slice,
    left: tuple[int, int],
    at_least: float,
    among: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """``left * n + right`` of each pair that a line of ``lines`` has with its left image in that range."""
    images = neighbours.images[lines]
    own, places = np.nonzero((neighbours.cosines[lines] >= at_least - SEARCH_SLACK) & (images >= 0))
    others = images[own, places].astype(np.int64)
    own = own + lines.start
    smaller, larger = np.minimum(own, others), np.maximum(own, others)
    wanted = among[own] & among[others] & (left[0] <= smaller) & (smaller < left[1])
    codes: NDArray[np.int64] = smaller[wanted] * len(among) + larger[wanted]
    return codes


class Graph:
    """Who is paired with whom."""

    def __init__(self, pairs: Pairs, images: int) -> None:
        source = np.concatenate([pairs.left, pairs.right])
        order = np.argsort(source, kind="stable")
        self._others: NDArray[np.int64] = np.concatenate([pairs.right, pairs.left])[order].astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=images))])

    def of(self, image: int) -> NDArray[np.int64]:
        """The images that ``image`` is paired with."""
        return self._others[self._starts[image] : self._starts[image + 1]]

    def share_any(self, one: int, other: int) -> bool:
        """Whether some image is paired with both."""
        return bool(np.intersect1d(self.of(one), self.of(other)).size)
