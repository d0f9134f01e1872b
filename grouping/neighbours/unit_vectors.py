"""Embeddings as unit vectors, on disk in the order of an index, and cosines between them.

Comes in: a file of ``float16[n, dim]`` and where each image's vector lies in it. Goes out: unit vectors in
float32, for as many images as are asked for at a time. Memory holds what was asked for, and whatever part
of the file the system keeps cached. Not its job: the order of the file (see inverted_lists).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAIRS_AT_ONCE = 16_384
"""Pairs gathered at a time: two blocks of this many vectors, 64 MB at 512 dimensions."""


class Block(NamedTuple):
    """Vectors to search: their image numbers, and which of the queries search them."""

    images: NDArray[np.int64]
    vectors: NDArray[np.float32]
    queries: NDArray[np.int64]


class UnitVectors:
    """The vectors of images 0 to n - 1, brought back to length 1 when they are taken. Thread-safe."""

    def __init__(self, stored: NDArray[np.float16], position: NDArray[np.int32]) -> None:
        """``stored`` is ``float16[n, dim]``, mapped from a file; image i has row ``position[i]`` of it."""
        self._stored = stored
        self._position = position

    def __len__(self) -> int:
        return len(self._stored)

    def take(self, images: NDArray[np.int64]) -> NDArray[np.float32]:
        """``float32[len(images), dim]``, in the order of ``images``."""
        return as_units(self._stored[self._position[images]])

    def span(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows ``start`` to ``stop`` of the file: those of neighbouring cells at once."""
        return as_units(self._stored[start:stop])


def as_units(stored: NDArray[np.float16]) -> NDArray[np.float32]:
    """Stored rows at length 1, in float32. A row's result doesn't depend on the others."""
    units = stored.astype(np.float32)
    units /= np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]
    return units


def pair_cosines(
    vectors: UnitVectors, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``float32[n]``: the cosine of every pair ``(left[i], right[i])`` of images, in [-1, 1].

    The one place where a cosine that decides something is computed: the same bits for (a, b) as for
    (b, a), whatever else is asked at the same time, which a matrix product doesn't promise.
    """
    cosines = np.empty(len(left), np.float32)
    for start in range(0, len(left), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        cosines[some] = np.einsum("ij,ij->i", vectors.take(left[some]), vectors.take(right[some]))
    return np.clip(cosines, -1.0, 1.0)


def cosines_with_each(
    vectors: UnitVectors, members: list[int], others: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``float32[members, others]``: the very cosines that pair_cosines gives, each vector read once."""
    own, theirs = vectors.take(np.array(members, np.int64)), vectors.take(others)
    cosines: NDArray[np.float32] = np.stack(
        [np.einsum("ij,ij->i", np.broadcast_to(each, theirs.shape), theirs) for each in own]
    )
    np.clip(cosines, -1.0, 1.0, out=cosines)
    return cosines
