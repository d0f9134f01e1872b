"""Disjoint sets of related images.

Comes in: vectors of images of which no two are duplicates. Goes out: ImageSets in which every pair's
cosine lies in the band [related, duplicate), and no image is in two. Sets are seeded by the most
similar pair of images that are free, and grown by the free image whose worst cosine to the members
is best, up to a wanted size. Not its job: duplicates; how a set is worded.

The wanted size is drawn, by a hash of the seeding pair, with weights that fall evenly towards the
largest size: 4, 3, 2, 1 for 2 to 5 images, 3.0 on average, which is MMDU's average. Where fewer
images are related than wanted, the set is smaller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from corpus.records import ImageSet
from grouping.config import SetsConfig
from grouping.neighbours import NeighbourSearch
from grouping.vectors import pair_cosines


def make_image_sets(keys: Sequence[str], units: NDArray[np.float32], config: SetsConfig) -> list[ImageSet]:
    """Sets over the images ``keys`` (ascending) with vectors ``units`` (``float32[n, dim]``).

    Sorted by first key; the images of a set are in key order. The same for the same images, in
    whatever order they were embedded.
    """
    nearest = NeighbourSearch(units).nearest(config.neighbours)
    packing = _Packing(keys, units, nearest, config)
    sets = [_describe(keys, units, rows) for rows in packing.sets()]
    if config.max_sets is not None:
        sets = sorted(sets, key=lambda each: each.id)[: config.max_sets]  # an id is a hash: an even sample
    return sorted(sets, key=lambda each: each.keys[0])


def set_id(keys: Sequence[str]) -> str:
    """``set_`` and 12 hex digits of BLAKE2b over the keys, so that it stands for these very images."""
    return "set_" + hashlib.blake2b("\n".join(keys).encode(), digest_size=6).hexdigest()


class _Packing:
    """One greedy pass over all pairs of neighbours, most similar first."""

    def __init__(
        self,
        keys: Sequence[str],
        units: NDArray[np.float32],
        nearest: NDArray[np.int64],
        config: SetsConfig,
    ) -> None:
        self._keys, self._units, self._config = keys, units, config
        self._free = np.ones(len(keys), bool)
        self._pairs = self._related_pairs(nearest)
        self._neighbours = _both_ways(self._pairs, len(keys))

    def sets(self) -> Iterator[list[int]]:
        """The rows of each set, ascending."""
        for left, right in self._pairs.tolist():
            if self._free[left] and self._free[right]:
                members = self._grow([left, right], self._wanted_size(left, right))
                if len(members) >= self._config.min_images:
                    self._free[members] = False
                    yield sorted(members)

    def _related_pairs(self, nearest: NDArray[np.int64]) -> NDArray[np.int64]:
        """``int64[m, 2]``: pairs of neighbours in the band, ascending, by falling cosine, then by key."""
        left = np.repeat(np.arange(len(nearest)), nearest.shape[1])
        pairs = np.stack([left, nearest.ravel()], axis=1)
        pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
        cosines = pair_cosines(self._units, pairs[:, 0], pairs[:, 1])
        inside = self._in_band(cosines)
        pairs, cosines = pairs[inside], cosines[inside]
        ordered: NDArray[np.int64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], -cosines))]
        return ordered

    def _in_band(self, cosines: NDArray[np.float32]) -> NDArray[np.bool_]:
        related, duplicate = self._config.related_cosine_similarity, self._config.duplicate_cosine_similarity
        as_double = cosines.astype(np.float64)  # numpy would round the bounds to float32
        inside: NDArray[np.bool_] = (as_double >= related) & (as_double < duplicate)
        return inside

    def _grow(self, members: list[int], wanted: int) -> list[int]:
        """Add the best free neighbour until ``wanted`` is reached or none is in the band with all."""
        while len(members) < wanted:
            near = np.unique(np.concatenate([self._neighbours[row] for row in members]))
            near = near[self._free[near] & ~np.isin(near, members)]
            if len(near) == 0:
                break
            cosines = np.stack([pair_cosines(self._units, np.full(len(near), row), near) for row in members])
            fits = self._in_band(cosines).all(axis=0)
            if not fits.any():
                break
            worst = np.where(fits, cosines.min(axis=0), -np.inf)
            members = [*members, int(near[np.argmax(worst)])]  # of equals the first: the smallest key
        return members

    def _wanted_size(self, left: int, right: int) -> int:
        smallest, largest = self._config.min_images, self._config.max_images
        shares = [size for size in range(smallest, largest + 1) for _ in range(largest + 1 - size)]
        seed = f"{self._keys[left]}\n{self._keys[right]}".encode()
        return shares[int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) % len(shares)]


def _both_ways(pairs: NDArray[np.int64], rows: int) -> list[NDArray[np.int64]]:
    """For each row, those it makes a pair with, whichever of the two found the other."""
    source, target = np.concatenate([pairs, pairs[:, ::-1]]).T
    order = np.argsort(source, kind="stable")
    ends = np.cumsum(np.bincount(source, minlength=rows))
    return np.split(target[order], ends[:-1]) if rows else []


def _describe(keys: Sequence[str], units: NDArray[np.float32], rows: list[int]) -> ImageSet:
    first, second = np.triu_indices(len(rows), k=1)
    at = np.array(rows, np.int64)
    cosines = pair_cosines(units, at[first], at[second])
    names = tuple(keys[row] for row in rows)
    return ImageSet(
        id=set_id(names),
        keys=names,
        min_cosine_similarity=round(float(cosines.min()), 6),
        mean_cosine_similarity=round(float(cosines.mean()), 6),
    )
