"""Captions that repeat an earlier caption of their job: exactly, or nearly.

Comes in: sketches of captions in order, and which of them other rules reject. Goes out: for each caption
its similarity to an earlier one, in [0, 1]. The earliest stays. Sketches lie in files, and one band
of them is in memory at a time: 8 bytes a caption, twice. Not its job: making sketches (see minhash).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.minhash import BANDS, ROWS, Sketches

NONE = -1
"""In the place of an earlier caption."""

MAX_COMPARED = 16
"""Kept captions of one band that a caption is compared with, the earliest. Of a crowd that meets in a
band all are near duplicates of few, or the crowd follows a template that other rules have to judge."""


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
        self._flush()
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
        self._flush()
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

    def _flush(self) -> None:
        for file in self._files:
            file.flush()

    def _read(self, at: int, kind: type[np.generic]) -> NDArray[np.generic]:
        if self._count == 0:
            return np.zeros(0, kind)
        return np.memmap(self._path(at), dtype=kind, mode="r")


def _groups(keys: NDArray[np.generic]) -> list[list[int]]:
    """The places that share a key with others, by key, each in order."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_same = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
    begins = np.flatnonzero(~is_same[:-1] & is_same[1:])
    ends = np.flatnonzero(is_same[:-1] & ~is_same[1:]) + 1
    return [order[begin:end].tolist() for begin, end in zip(begins, ends, strict=True)]
