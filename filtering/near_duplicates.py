"""Captions that repeat an earlier caption of their job, exactly or nearly; the one file that imports rensa.

Comes in: captions as units, block by block, and which of them other rules reject. Goes out: MinHash sketches
(Broder 1997), equal for equal texts on every machine; for each caption its similarity to an earlier one, in
[0, 1]. The earliest stays. Sketches lie in files, and one band of them is in memory at a time: 8 bytes a
caption, twice. Not its job: the thresholds (see rules.scored_elsewhere).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

SHINGLE_UNITS = 5
"""Words or characters: datatrove's default, and data-juicer's."""

BANDS, ROWS = 20, 6
"""MinHashes a caption: 120. Two captions with Jaccard similarity 0.8 meet in a band with a chance of
1 - (1 - 0.8^6)^20 = 0.998, with 0.5 in 0.27 (and are then compared, and kept apart)."""

SEED = 20260101

_MULTIPLIERS = np.random.default_rng(SEED).integers(1, 2**63, 11, dtype=np.uint64) | np.uint64(1)
"""One for each unit of a shingle, and for each row of a band."""

NONE = -1
"""In the place of an earlier caption."""

MAX_COMPARED = 16
"""Kept captions of one band that a caption is compared with, the earliest. Of a crowd that meets in a
band all are near duplicates of few, or the crowd follows a template that other rules have to judge."""


class Sketches(NamedTuple):
    """Of n captions."""

    exact: NDArray[np.uint64]
    """``uint64[n]``: equal units have equal keys."""
    bands: NDArray[np.uint64]
    """``uint64[n, BANDS]``."""
    minhash: NDArray[np.uint16]
    """``uint16[n, BANDS * ROWS]``: the low bits of each MinHash."""


def _hash(text: str) -> int:
    """BLAKE2b, 64 bits."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


_hash_of_unit = lru_cache(maxsize=1_000_000)(_hash)
"""Some 100 MB at most, and a corpus has fewer different ones."""


def sketch(job: str, captions: Sequence[tuple[str, Sequence[str]]]) -> Sketches:
    """Sketches of captions of one job, each given as its id and its units. Captions of other jobs never meet,
    nor do captions without units: there is nothing to repeat."""
    from rensa import RMinHash

    count = len(captions)
    wholes = ("\0".join((job, *units)) if units else f"{job} {name}" for name, units in captions)
    exact = np.fromiter(map(_hash, wholes), np.uint64, count)
    lengths = np.fromiter((len(units) for _, units in captions), np.int64, count)
    units = chain.from_iterable(units for _, units in captions)
    hashes = np.fromiter(map(_hash_of_unit, units), np.uint64, int(lengths.sum()))
    shingles, offsets = _shingles(hashes, lengths)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, BANDS * ROWS, SEED)
    minhash = np.array(matrix.to_rows(), np.uint32).reshape(count, BANDS * ROWS)
    # A caption without any shingle is near only to its equals.
    salts = np.where(lengths < SHINGLE_UNITS, exact, np.uint64(_hash(job)))
    return Sketches(exact, _bands(minhash, salts), minhash.astype(np.uint16))


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


def _bands(minhash: NDArray[np.uint32], salts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    rows = minhash.reshape(len(minhash), BANDS, ROWS).astype(np.uint64)
    keys = np.zeros((len(minhash), BANDS), np.uint64)
    for at in range(ROWS):
        keys += rows[:, :, at] * _MULTIPLIERS[SHINGLE_UNITS + at]
    # The finaliser of splitmix64: every bit of the input moves every bit of the output.
    keys ^= salts[:, None]
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


class DuplicateIndex:
    """Takes sketches, then finds duplicates. Uses files in ``folder``, which the caller removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._files: list[IO[bytes]] = [self._path(at).open("wb") for at in range(BANDS + 2)]

    def add(self, sketches: Sketches) -> None:
        """The sketches of the next captions."""
        self._count += len(sketches.exact)
        self._files[BANDS].write(sketches.exact.tobytes())
        self._files[BANDS + 1].write(sketches.minhash.tobytes())
        for at in range(BANDS):
            self._files[at].write(np.ascontiguousarray(sketches.bands[:, at]).tobytes())

    def exact(self, rejected: NDArray[np.bool_]) -> NDArray[np.int64]:
        """``int64[n]``: which earlier caption has the same units, -1 where none has.

        A caption that no other rule rejects is only a duplicate of one that is kept, so that of several
        equal ones one always stays.
        """
        earlier_of = np.full(self._count, NONE, np.int64)
        for members in _groups(self._read(BANDS, np.uint64)):
            kept = NONE
            for at in members:
                if kept != NONE:
                    earlier_of[at] = kept
                elif rejected[at] and at != members[0]:
                    earlier_of[at] = members[0]
                if kept == NONE and not rejected[at]:
                    kept = at
        return earlier_of

    def near(
        self, rejected: NDArray[np.bool_], min_similarity: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """``float32[n]`` and ``int64[n]``: the similarity to an earlier kept caption, and which that is; 0
        and -1 where the similarity is below the minimum.

        ``min_similarity`` is each caption's. ``rejected`` captions are compared, but nothing is compared
        with them.
        """
        groups_of: dict[int, list[int]] = defaultdict(list)
        group_count = 0
        for band in range(BANDS):
            for members in _groups(self._read(band, np.uint64)):
                for at in members:
                    groups_of[at].append(group_count)
                group_count += 1
        minhash = self._read(BANDS + 1, np.uint16).reshape(-1, BANDS * ROWS)
        kept_in: list[list[int]] = [[] for _ in range(group_count)]
        similarity = np.zeros(self._count, np.float32)
        earlier_of = np.full(self._count, NONE, np.int64)
        for at in sorted(groups_of):
            earlier = sorted({each for group in groups_of[at] for each in kept_in[group]})
            if earlier:
                similarities = (minhash[earlier] == minhash[at]).mean(axis=1)
                best = int(similarities.argmax())
                if similarities[best] >= min_similarity[at]:
                    similarity[at], earlier_of[at] = similarities[best], earlier[best]
                    continue
            if not rejected[at]:
                for group in groups_of[at]:
                    if len(kept_in[group]) < MAX_COMPARED:
                        kept_in[group].append(at)
        return similarity, earlier_of

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    def _path(self, at: int) -> Path:
        return self._folder / f"sketches-{at:02d}"

    def _read(self, at: int, kind: type[np.generic]) -> NDArray[np.generic]:
        if self._count == 0:
            return np.zeros(0, kind)
        self._files[at].flush()
        return np.memmap(self._path(at), dtype=kind, mode="r")


def _groups(keys: NDArray[np.generic]) -> list[list[int]]:
    """The places that share a key with others, by key, each in order."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_same = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
    begins = np.flatnonzero(~is_same[:-1] & is_same[1:])
    ends = np.flatnonzero(is_same[:-1] & ~is_same[1:]) + 1
    return [order[begin:end].tolist() for begin, end in zip(begins, ends, strict=True)]
