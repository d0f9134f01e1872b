"""Pairs of neighbours with their final cosines, and the graph of these pairs.

Comes in: neighbours found by a self-join. Goes out: undirected pairs, and a graph of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import SEARCH_SLACK, Searcher, map_in_threads
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitVectors, pair_cosines

PAIRS_A_PIECE = 262_144

PairFilter = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], NDArray[np.bool_]]
"""From ``left``, ``right`` and cosines to a mask of pairs to keep. Called in threads, for parts of them."""

IMAGES_AT_ONCE = 500_000
"""Images whose pairs are sorted together: about 400 MB at 32 neighbours, whatever the size of the corpus."""


class Pairs(NamedTuple):
    """``left < right``, sorted by both; ``mutual`` if each image is among the other's neighbours."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    cosines: NDArray[np.float32]
    mutual: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> Pairs:
        """The pairs selected by ``mask``."""
        return Pairs(self.left[mask], self.right[mask], self.cosines[mask], self.mutual[mask])


def pairs_from(
    neighbours: Neighbours,
    vectors: UnitVectors,
    min_cosine: float,
    searcher: Searcher,
    mask: NDArray[np.bool_],
    pair_filter: PairFilter | None = None,
) -> Pairs:
    """Pairs of images in ``mask`` with a cosine of at least ``min_cosine`` that pass ``pair_filter``."""

    def confirm(candidates: tuple[NDArray[np.int64], NDArray[np.bool_]]) -> Pairs:
        codes, mutual = candidates
        left, right = codes // len(mask), codes % len(mask)
        cosines = pair_cosines(vectors, left, right)
        is_pair = cosines.astype(np.float64) >= min_cosine  # otherwise numpy rounds it to float32
        if pair_filter is not None:
            is_pair &= pair_filter(left, right, cosines)
        return Pairs(left.astype(np.int32), right.astype(np.int32), cosines, mutual).where(is_pair)

    parts = map_in_threads(confirm, _candidates(neighbours, min_cosine, mask), searcher)
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _candidates(
    neighbours: Neighbours, min_cosine: float, mask: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Pairs that may reach ``min_cosine``, as ascending codes ``left * n + right``, and which are mutual."""
    starts = range(0, len(mask), IMAGES_AT_ONCE)
    for start in starts:
        by_rows = [_codes(neighbours, first, start, min_cosine, mask) for first in starts if first >= start]
        codes = np.sort(np.concatenate(by_rows))
        is_first = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
        mutual = np.append(codes[1:] == codes[:-1], False)[: len(codes)][is_first]
        codes = codes[is_first]
        for at in range(0, max(1, len(codes)), PAIRS_A_PIECE):
            yield codes[at : at + PAIRS_A_PIECE], mutual[at : at + PAIRS_A_PIECE]


def _codes(
    neighbours: Neighbours, first: int, start: int, min_cosine: float, mask: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Codes of pairs in IMAGES_AT_ONCE rows from ``first``, with as many left images from ``start``."""
    rows = slice(first, first + IMAGES_AT_ONCE)
    images = neighbours.images[rows]
    own, columns = np.nonzero((neighbours.cosines[rows] >= min_cosine - SEARCH_SLACK) & (images >= 0))
    others = images[own, columns].astype(np.int64)
    own = own + first
    left, right = np.minimum(own, others), np.maximum(own, others)
    wanted = mask[own] & mask[others] & (start <= left) & (left < start + IMAGES_AT_ONCE)
    codes: NDArray[np.int64] = left[wanted] * len(mask) + right[wanted]
    return codes


class Graph:
    """The graph whose edges are pairs."""

    def __init__(self, pairs: Pairs, images: int) -> None:
        source = np.concatenate([pairs.left, pairs.right])
        order = np.lexsort((-np.concatenate([pairs.cosines, pairs.cosines]), source))
        self._others: NDArray[np.int64] = np.concatenate([pairs.right, pairs.left])[order].astype(np.int64)
        self._cosines = np.concatenate([pairs.cosines, pairs.cosines])[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=images))])

    def crowding(self, lowest: float, others: int) -> NDArray[np.float64]:
        """``float64[images]``: mean of cosine - ``lowest`` over the nearest ``others``, 0 if missing."""
        above = np.zeros(len(self._starts) - 1)
        counts = np.diff(self._starts)
        for rank in range(others):
            images = np.flatnonzero(counts > rank)
            above[images] += self._cosines[self._starts[images] + rank].astype(np.float64) - lowest
        return above / others

    def of(self, image: int) -> NDArray[np.int64]:
        """Images paired with ``image``, most similar first."""
        return self._others[self._starts[image] : self._starts[image + 1]]

    def have_common(self, one: int, other: int) -> bool:
        """Whether an image is paired with both."""
        return bool(np.intersect1d(self.of(one), self.of(other)).size)
