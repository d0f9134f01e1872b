"""MinHash sketches of captions: numbers that near duplicates share; the one file that imports rensa.

Comes in: captions as units. Goes out: ``Sketches``: an exact key, the keys of its MinHash bands, and the
MinHash itself (Broder 1997). Equal texts have equal sketches on every machine and in every process. Not its
job: finding equal ones (see near_duplicates).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHINGLE_UNITS = 5
"""Words or characters: datatrove's default, and data-juicer's."""

BANDS, ROWS = 20, 6
"""MinHashes a caption: 120. Two captions with Jaccard similarity 0.8 meet in a band with a chance of
1 - (1 - 0.8^6)^20 = 0.998, with 0.5 in 0.27 (and are then compared, and kept apart)."""

SEED = 20260101

MAX_REMEMBERED = 1_000_000
"""Hashes of words: about 100 MB. A corpus has fewer different words; what is noise is forgotten with them."""

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


class _Hashes(dict[str, int]):
    """BLAKE2b, 64 bits, of strings that were asked for."""

    def __missing__(self, text: str) -> int:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[text] = hashed = int.from_bytes(digest, "little")
        return hashed


_HASHES = _Hashes()


def sketch(job: str, captions: Sequence[tuple[str, Sequence[str]]]) -> Sketches:
    """Sketches of captions of one job, each given as its id and its units. Captions of other jobs never meet,
    nor do captions without units: there is nothing to repeat."""
    from rensa import RMinHash

    count = len(captions)
    salts = np.fromiter(
        (_HASHES[job] if units else _HASHES[f"{job} {identifier}"] for identifier, units in captions),
        np.uint64,
        count,
    )
    lengths = np.fromiter((len(units) for _, units in captions), np.int64, count)
    units = chain.from_iterable(units for _, units in captions)
    hashes = np.fromiter(map(_HASHES.__getitem__, units), np.uint64, int(lengths.sum()))
    shingles, offsets = _shingles(hashes, lengths)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, BANDS * ROWS, SEED)
    minhash = np.array(matrix.to_rows(), np.uint32).reshape(count, BANDS * ROWS)
    exact = _exact(hashes, lengths, salts)
    # A caption without any shingle is near only to its equals.
    return Sketches(
        exact,
        _bands(minhash, np.where(lengths < SHINGLE_UNITS, exact, salts)),
        minhash.astype(np.uint16),
    )


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
    weights = _mix(place.astype(np.uint64) + _MULTIPLIERS[0])
    sums = np.zeros(len(lengths), np.uint64)
    np.add.at(sums, np.repeat(np.arange(len(lengths)), lengths), _mix(hashes ^ weights))
    return _mix(sums ^ salts)


def _bands(minhash: NDArray[np.uint32], salts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    rows = minhash.reshape(len(minhash), BANDS, ROWS).astype(np.uint64)
    keys = np.zeros((len(minhash), BANDS), np.uint64)
    for at in range(ROWS):
        keys += rows[:, :, at] * _MULTIPLIERS[SHINGLE_UNITS + at]
    return _mix(keys ^ salts[:, None])


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
