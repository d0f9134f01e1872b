"""Perceptual hashes, a second opinion on near duplicates; the one file that imports imagehash.

Comes in: a decoded picture, or the hashes of two. Goes out: a hash, or how far two are apart. A crop or
a re-encoding moves an embedding about as far as another picture of the same subject does, but hardly
moves the coarse pattern of light and dark that the hash records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 16
"""16 x 16 bits. At 8 x 8 a drawn scene and its variation come as near (4 bits) as a copy (6 bits)."""

HASH_BYTES = HASH_SIDE**2 // 8

MAX_BITS_APART = 32
"""Of 256. Measured on the demo's scenes: copies are at most 24 apart, different pictures at least 50
(variations of one scene included)."""


def picture_hash(picture: Image.Image) -> str:
    """The 256-bit DCT hash of ``picture``, in hex."""
    import imagehash

    return str(imagehash.phash(picture, hash_size=HASH_SIDE))


def bits_apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.int64]:
    """``int64[n]``: how many bits differ between each pair of lines of ``uint8[n, HASH_BYTES]``."""
    apart: NDArray[np.int64] = np.bitwise_count(left ^ right).sum(axis=1, dtype=np.int64)
    return apart
