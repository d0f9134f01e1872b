"""Perceptual hashes, a second opinion on near duplicates; the one file that imports imagehash.

Comes in: a decoded picture, or the hashes of two. Goes out: a hash, or whether two are of one picture.
Another size or encoding moves an embedding about as far as another picture of the same subject does, but
hardly moves the coarse pattern of light and dark that the hash records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 16
"""16 x 16 bits. At 8 x 8 a drawn scene and its variation come as near (4 bits) as a copy (6 bits)."""

HASH_BYTES = HASH_SIDE**2 // 8

MAX_BITS_APART = 32
"""Of 256. Copies are at most 24 apart on the demo's scenes and 26 on photographs, also half as large,
brighter or mirrored; different pictures at least 50 (variations of one scene included) and 48
(docs/measurements/grouping.md)."""

_ODD_COLUMNS = np.packbits(np.tile([0, 1], HASH_SIDE**2 // 2).astype(bool))
"""A mirrored picture has the same coefficients, those of odd horizontal frequencies with the other sign; so
about these bits of its hash are the other way round."""


def picture_hash(picture: Image.Image) -> str:
    """The 256-bit DCT hash of ``picture``, in hex."""
    import imagehash

    return str(imagehash.phash(picture, hash_size=HASH_SIDE))


def hashes_agree(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """``bool[n]``: whether each pair of lines of ``uint8[n, HASH_BYTES]`` is of one picture, mirrored or not.
    One of the two may be a single line."""
    differing = left ^ right
    agree: NDArray[np.bool_] = (_count(differing) <= MAX_BITS_APART) | (
        _count(differing ^ _ODD_COLUMNS) <= MAX_BITS_APART
    )
    return agree


def _count(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bitwise_count(bits).sum(axis=-1, dtype=np.int64)
    return counts
