"""Pairs of neighbours with the cosines that decide, and who is paired with whom.

Comes in: neighbours as a join found them. Goes out: undirected pairs, and a graph of them. Not its
job: what a pair means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.neighbours import SEARCH_SLACK
from grouping.rows import UnitRows, pair_cosines
from grouping.selfjoin import Neighbours
from grouping.workers import in_threads

PAIRS_A_PIECE = 262_144


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
    neighbours: Neighbours, rows: UnitRows, at_least: float, threads: int, among: NDArray[np.bool_]
) -> Pairs:
    """The pairs of images of ``among`` with a cosine of ``at_least`` or more."""
    lines, places = np.nonzero((neighbours.cosines >= at_least - SEARCH_SLACK) & (neighbours.images >= 0))
    others = neighbours.images[lines, places].astype(np.int64)
    both = among[lines] & among[others]
    lines, others = lines[both], others[both]
    codes = np.minimum(lines, others) * len(among) + np.maximum(lines, others)
    codes, times = np.unique(codes, return_counts=True)
    left, right = codes // len(among), codes % len(among)
    pieces = [slice(start, start + PAIRS_A_PIECE) for start in range(0, len(codes), PAIRS_A_PIECE)]
    computed = list(in_threads(lambda some: pair_cosines(rows, left[some], right[some]), pieces, threads))
    cosines = np.concatenate([*computed, np.zeros(0, np.float32)])
    enough = cosines.astype(np.float64) >= at_least  # numpy would round the bound to float32
    return Pairs(left.astype(np.int32), right.astype(np.int32), cosines, times > 1).where(enough)


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
