"""Unit vectors of stored embeddings, and cosines between them.

Comes in: a file of ``float16[n, dim]`` and each image's row in it. Goes out: unit vectors in float32, for the
requested images only; the file is memory-mapped. Not its job: the order of the file (see inverted_lists).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAIRS_AT_ONCE = 16_384
"""Pairs computed at a time: two blocks of this many vectors, 64 MB at 512 dimensions."""


class Block(NamedTuple):
    """Vectors to search, their image numbers, and the numbers of the queries that search them."""

    images: NDArray[np.int64]
    vectors: NDArray[np.float32]
    queries: NDArray[np.int64]


class UnitVectors:
    """The vectors of images 0 to n - 1, normalised in float32 when read. Thread-safe."""

    def __init__(self, stored: NDArray[np.float16], position: NDArray[np.int32]) -> None:
        """``stored`` is ``float16[n, dim]``, memory-mapped; image i has row ``position[i]``."""
        self._stored = stored
        self._position = position

    def __len__(self) -> int:
        return len(self._stored)

    def take(self, images: NDArray[np.int64]) -> NDArray[np.float32]:
        """``float32[len(images), dim]``, in the order of ``images``."""
        return as_units(self._stored[self._position[images]])

    def span(self, start: int, stop: int) -> NDArray[np.float32]:
        """``float32[stop - start, dim]``: consecutive rows of the file, from ``start`` on."""
        return as_units(self._stored[start:stop])


def as_units(stored: NDArray[np.float16]) -> NDArray[np.float32]:
    """Stored rows in float32, scaled to length 1. A row's result doesn't depend on other rows."""
    units = stored.astype(np.float32)
    units /= np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]
    return units


def pair_cosines(
    vectors: UnitVectors, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``float32[n]``: the cosine of each pair ``(left[i], right[i])`` of images, in [-1, 1].

    All final decisions use these cosines. They are the same bits for (a, b) and (b, a), whatever other pairs
    are computed at the same time, which a matrix product doesn't guarantee.
    """
    cosines = np.empty(len(left), np.float32)
    for start in range(0, len(left), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        cosines[some] = np.einsum("ij,ij->i", vectors.take(left[some]), vectors.take(right[some]))
    return np.clip(cosines, -1.0, 1.0)


def cosines_with_each(
    vectors: UnitVectors, members: list[int], others: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``float32[members, others]``: bit-identical to pair_cosines, but reads each vector only once."""
    own, theirs = vectors.take(np.array(members, np.int64)), vectors.take(others)
    cosines: NDArray[np.float32] = np.stack(
        [np.einsum("ij,ij->i", np.broadcast_to(each, theirs.shape), theirs) for each in own]
    )
    np.clip(cosines, -1.0, 1.0, out=cosines)
    return cosines
