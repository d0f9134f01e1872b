"""Perceptual hashes, a second check for near duplicates; the only file that imports imagehash.

Comes in: a decoded picture, or hashes. Goes out: a hash, or whether two hashes are of the same picture.
Resizing or re-encoding a picture moves its embedding about as far as another picture of the same subject
lies, but hardly changes the coarse pattern of light and dark that the hash records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_SIDE = 16
"""16 x 16 bits. At 8 x 8, a drawn scene and its variation differ by as little (4 bits) as a copy (6 bits)."""

HASH_BYTES = HASH_SIDE**2 // 8

MAX_BITS_APART = 32
"""Of 256. Copies, also at half the size, brighter or mirrored, differ by at most 24 bits on the demo's scenes
and 26 on photographs; different pictures by at least 50 (variations of one scene included) and 48
(docs/measurements/grouping.md)."""

_ODD_COLUMNS = np.packbits(np.tile([0, 1], HASH_SIDE**2 // 2).astype(bool))
"""Mirroring a picture flips the sign of its coefficients at odd horizontal frequencies, and so inverts about
these bits of its hash."""


def picture_hash(picture: Image.Image) -> str:
    """The 256-bit DCT hash of ``picture``, in hex."""
    import imagehash

    return str(imagehash.phash(picture, hash_size=HASH_SIDE))


def hashes_agree(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """``bool[n]``: whether the rows of two ``uint8[n, HASH_BYTES]`` are of the same picture, mirrored or not.
    Either side may be a single row."""
    differing = left ^ right
    both = np.stack([differing, differing ^ _ODD_COLUMNS])
    bits_apart = np.bitwise_count(both).sum(axis=-1, dtype=np.int64)
    agree: NDArray[np.bool_] = (bits_apart <= MAX_BITS_APART).any(axis=0)
    return agree
