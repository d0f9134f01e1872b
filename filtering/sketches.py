"""What a caption says as numbers that near copies share; the one file that imports rensa.

Comes in: captions as hashes of units. Goes out: ``Sketches``: an exact key, the keys of its MinHash
bands, and the MinHash itself. Equal texts have equal sketches on every machine and in every process. Not
its job: finding equal ones (see duplicates).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.mixing import mix

SHINGLE_UNITS = 5
"""Words or characters: datatrove's default, and data-juicer's."""

BANDS, ROWS = 20, 6
"""MinHashes a caption: 120. Two captions with Jaccard similarity 0.8 meet in a band with a chance of
1 - (1 - 0.8^6)^20 = 0.998, with 0.5 in 0.27 (and are then compared, and kept apart)."""

SEED = 20260101

_MULTIPLIERS = np.random.default_rng(SEED).integers(
    1, 2**63, SHINGLE_UNITS + ROWS, dtype=np.uint64
) | np.uint64(1)


class Sketches(NamedTuple):
    """Of n captions."""

    exact: NDArray[np.uint64]
    """``uint64[n]``: equal units have equal keys."""
    bands: NDArray[np.uint64]
    """``uint64[n, BANDS]``."""
    minhash: NDArray[np.uint16]
    """``uint16[n, BANDS * ROWS]``: the low bits of each MinHash."""


def no_sketches(count: int) -> Sketches:
    """Room for the sketches of ``count`` captions."""
    return Sketches(
        np.zeros(count, np.uint64),
        np.zeros((count, BANDS), np.uint64),
        np.zeros((count, BANDS * ROWS), np.uint16),
    )


def sketch(salts: Sequence[str], hashes: NDArray[np.uint64], lengths: NDArray[np.int64]) -> Sketches:
    """Sketches of captions, given as a salt each, the hashes of all their units, and how many units each
    has: captions of other salts never meet."""
    from rensa import RMinHash

    count = len(salts)
    salt_hashes = np.fromiter(map(_hash_of_salt, salts), np.uint64, count)
    shingles, offsets = _shingles(hashes, lengths)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, BANDS * ROWS, SEED)
    minhash = np.array(matrix.to_rows(), np.uint32).reshape(count, BANDS * ROWS)
    exact = _exact(hashes, lengths, salt_hashes)
    # A caption without any shingle is near only to its equals.
    band_salts = np.where(lengths < SHINGLE_UNITS, exact, salt_hashes)
    return Sketches(exact, _bands(minhash, band_salts), minhash.astype(np.uint16))


@functools.lru_cache(maxsize=16)
def _hash_of_salt(salt: str) -> int:
    digest = hashlib.blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _shingles(
    hashes: NDArray[np.uint64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """One number for every SHINGLE_UNITS in a row of each caption, and where each caption's begin."""
    per_caption = np.maximum(lengths - SHINGLE_UNITS + 1, 0)
    offsets = np.concatenate([[0], np.cumsum(per_caption)]).astype(np.uint64)
    if len(hashes) < SHINGLE_UNITS:
        return np.zeros(0, np.uint64), offsets
    starts = len(hashes) - SHINGLE_UNITS + 1
    rolled = np.zeros(starts, np.uint64)
    for at in range(SHINGLE_UNITS):
        rolled += hashes[at : at + starts] * _MULTIPLIERS[at]
    ends = np.cumsum(lengths)
    within = np.arange(len(hashes)) + SHINGLE_UNITS <= np.repeat(ends, lengths)
    return rolled[within[:starts]], offsets


def _exact(
    hashes: NDArray[np.uint64], lengths: NDArray[np.int64], salts: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """A polynomial of each caption's unit hashes, modulo 2^64."""
    begins = np.cumsum(lengths) - lengths
    place = np.arange(len(hashes), dtype=np.int64) - np.repeat(begins, lengths)
    weights = mix(place.astype(np.uint64) + _MULTIPLIERS[0])
    sums = np.zeros(len(lengths), np.uint64)
    np.add.at(sums, np.repeat(np.arange(len(lengths)), lengths), mix(hashes ^ weights))
    return mix(sums ^ salts)


def _bands(minhash: NDArray[np.uint32], salts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    rows = minhash.reshape(len(minhash), BANDS, ROWS).astype(np.uint64)
    keys = np.zeros((len(minhash), BANDS), np.uint64)
    for at in range(ROWS):
        keys += rows[:, :, at] * _MULTIPLIERS[SHINGLE_UNITS + at]
    return mix(keys ^ salts[:, None])
