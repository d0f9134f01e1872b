"""Find captions that repeat an earlier caption of their job, exactly or nearly; the one file that imports
rensa.

Comes in: the units of captions, block by block, and which captions other rules reject. Goes out: MinHash
sketches (Broder 1997), the same on every machine; for each caption its similarity to an earlier one, in [0,
1]. The earliest caption stays. Sketches are kept in files, and one band at a time is in memory: twice 8 bytes
per caption. Not its job: the thresholds (see rules.scored_elsewhere).
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
"""Words or characters: the default of datatrove and data-juicer."""

BANDS, ROWS = 20, 6
"""120 MinHashes for each caption. Two captions with Jaccard similarity 0.8 share a band with a probability of
1 - (1 - 0.8^6)^20 = 0.998; with 0.5 it is 0.27, and comparing them then shows that they are no duplicates."""

SEED = 20260101

_MULTIPLIERS = np.random.default_rng(SEED).integers(1, 2**63, 11, dtype=np.uint64) | np.uint64(1)
"""One for each unit of a shingle, and for each row of a band."""

NONE = -1
"""No earlier caption."""

MAX_COMPARED = 16
"""The earliest kept captions with the same band that a caption is compared with. If many captions share a
band, most of them are near duplicates of a few, or they follow a template that other rules have to judge."""


class Sketches(NamedTuple):
    """Of n captions."""

    exact: NDArray[np.uint64]
    """``uint64[n]``: a hash of all units."""
    bands: NDArray[np.uint64]
    """``uint64[n, BANDS]``."""
    minhash: NDArray[np.uint16]
    """``uint16[n, BANDS * ROWS]``: the low bits of each MinHash."""


def _hash(text: str) -> int:
    """BLAKE2b, 64 bits."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


_hash_of_unit = lru_cache(maxsize=1_000_000)(_hash)
"""At most about 100 MB. A corpus has fewer different units."""


def sketch(job: str, captions: Sequence[tuple[str, Sequence[str]]]) -> Sketches:
    """The sketches of captions of one job, each given as its id and its units. Captions of different jobs
    never match, nor do captions without units."""
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
    # A caption without any shingle matches only equal captions.
    salts = np.where(lengths < SHINGLE_UNITS, exact, np.uint64(_hash(job)))
    return Sketches(exact, _bands(minhash, salts), minhash.astype(np.uint16))


def _shingles(
    hashes: NDArray[np.uint64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A hash of every SHINGLE_UNITS consecutive units, and the offset of each caption's hashes."""
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
    """Collects sketches, then finds duplicates. It writes files to ``folder``, which the caller removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._files: list[IO[bytes]] = [self._path(at).open("wb") for at in range(BANDS + 2)]

    def add(self, sketches: Sketches) -> None:
        """Add the sketches of the next captions."""
        self._count += len(sketches.exact)
        self._files[BANDS].write(sketches.exact.tobytes())
        self._files[BANDS + 1].write(sketches.minhash.tobytes())
        for at in range(BANDS):
            self._files[at].write(np.ascontiguousarray(sketches.bands[:, at]).tobytes())

    def exact(self, rejected: NDArray[np.bool_]) -> NDArray[np.int64]:
        """``int64[n]``: the index of an earlier caption with the same units, or -1.

        A caption that no other rule rejects only counts as a duplicate of one that is kept. So one of several
        equal captions always stays.
        """
        earlier_of = np.full(self._count, NONE, np.int64)
        for members in _groups(self._read(BANDS, np.uint64)):
            kept = NONE
            for at in members:
                if kept != NONE:
                    earlier_of[at] = kept
                elif not rejected[at]:
                    kept = at
                elif at != members[0]:
                    earlier_of[at] = members[0]
        return earlier_of

    def near(
        self, rejected: NDArray[np.bool_], min_similarity: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """``float32[n]`` and ``int64[n]``: the similarity to the most similar earlier kept caption, and its
        index; 0 and -1 if the similarity is below the caption's ``min_similarity``.

        ``rejected`` captions are compared with earlier ones, but later ones are not compared with them.
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
        """Close the files."""
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
    """Groups of indices with equal keys, for keys that occur more than once."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_same = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
    begins = np.flatnonzero(~is_same[:-1] & is_same[1:])
    ends = np.flatnonzero(is_same[:-1] & ~is_same[1:]) + 1
    return [order[begin:end].tolist() for begin, end in zip(begins, ends, strict=True)]
