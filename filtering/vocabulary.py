"""Which of many units are cue words.

Comes in: hashes of units. Goes out: where the cue words are among them. A word is told by all 64 bits of
its hash. Not its job: which words (see cues).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from filtering.cues import all_counted_words, all_cue_words
from filtering.text_arrays import TextArrays

_SLOT_BITS = 16
_TO_SLOT = np.uint64(64 - _SLOT_BITS)
"""A table of so many slots stays in a core's cache. Of other units, one in fifty falls into a taken one."""


class Vocabulary:
    """Words and their hashes."""

    def __init__(self, words: Iterable[str]) -> None:
        """Each is a unit, or two Han characters."""
        names = list(words)
        arrays = TextArrays(names)
        first, last = arrays.offsets[:-1], arrays.offsets[1:] - 1
        hashes, is_pair = arrays.hashes[first], first < last
        hashes[is_pair] = hash_of_pairs(hashes[is_pair], arrays.hashes[last[is_pair]])
        order = hashes.argsort()
        self.words = [names[at] for at in order.tolist()]
        self._hashes = hashes[order]
        self._is_taken = np.zeros(1 << _SLOT_BITS, np.bool_)
        self._is_taken[self._hashes >> _TO_SLOT] = True
        self._is_cue = np.fromiter(map(all_cue_words().__contains__, self.words), np.bool_, len(names))
        self._masks: dict[frozenset[str], NDArray[np.bool_]] = {}

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in ``hashes`` words are, in order; and the place in ``words`` of each."""
        places = np.flatnonzero(self._is_taken.take((hashes >> _TO_SLOT).astype(np.intp)))
        likely = hashes[places]
        words = np.minimum(np.searchsorted(self._hashes, likely), len(self.words) - 1)
        is_word = self._hashes[words] == likely
        return places[is_word], words[is_word]

    def is_cue(self, words: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of ``words``, given as its place, is more than counted."""
        return self._is_cue[words]

    def mask(self, words: frozenset[str]) -> NDArray[np.bool_]:
        """Of each word, whether it is among these."""
        mask = self._masks.get(words)
        if mask is None:
            mask = self._masks[words] = np.fromiter(map(words.__contains__, self.words), np.bool_)
        return mask


@functools.cache
def vocabulary() -> Vocabulary:
    """Of all rules."""
    return Vocabulary(dict.fromkeys([*all_cue_words(), *all_counted_words()]))


def hash_of_pairs(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of two units in a row."""
    return first * np.uint64(0xD6E8FEB86659FD93) + second
