"""Which of many units are cue words.

Comes in: hashes of units. Goes out: where the cue words are among them. A word is told by all 64 bits of
its hash. Not its job: which words (see cues).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.cues import all_counted_words, all_cue_words
from triptych.filtering.text_arrays import TextArrays

_VOCABULARY_BITS, _VALUES_BITS = 16, 12
_FACTOR = 0x9E3779B97F4A7C15


class HashTable:
    """Finds some hashes among many with one look at a table for each, which stays in a core's cache."""

    def __init__(self, known: NDArray[np.uint64], bits: int) -> None:
        """``known`` are few beside 2 to the power of ``bits``, the number of slots."""
        self._known, self._shift = known, np.uint64(64 - bits)
        factors = (np.uint64(_FACTOR * (2 * number + 1) % (1 << 64)) for number in itertools.count())
        self._factor = next(each for each in factors if self._tells_apart(each))
        self._slots = np.full(1 << bits, -1, np.int16)
        self._slots[known * self._factor >> self._shift] = np.arange(len(known))

    def _tells_apart(self, factor: np.uint64) -> bool:
        return len(np.unique(self._known * factor >> self._shift)) == len(self._known)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Where in ``hashes`` known ones are, in order; and the place of each among the known."""
        slots = hashes * self._factor >> self._shift
        found = self._slots.take(slots.view(np.int64), mode="clip")
        places = np.flatnonzero(found >= 0)
        likely = found[places]
        is_known = self._known[likely] == hashes[places]
        return places[is_known], likely[is_known]


class Vocabulary:
    """Words and their hashes."""

    def __init__(self, words: Iterable[str]) -> None:
        """Each is a unit, or two Han characters."""
        self.words = list(words)
        arrays = TextArrays(self.words)
        first, last = arrays.offsets[:-1], arrays.offsets[1:] - 1
        hashes, is_pair = arrays.hashes[first], first < last
        hashes[is_pair] = hash_of_pairs(hashes[is_pair], arrays.hashes[last[is_pair]])
        self._table = HashTable(hashes, _VOCABULARY_BITS)
        is_cue = map(all_cue_words().__contains__, self.words)
        self._is_cue = np.fromiter(is_cue, np.bool_, len(self.words))
        self._masks: dict[frozenset[str], NDArray[np.bool_]] = {}

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Where in ``hashes`` words are, in order; and the place in ``words`` of each."""
        return self._table.find(hashes)

    def is_cue(self, words: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Whether each of ``words``, given as its place, is more than counted."""
        return self._is_cue[words]

    def mask(self, words: frozenset[str]) -> NDArray[np.bool_]:
        """Of each word, whether it is among these."""
        mask = self._masks.get(words)
        if mask is None:
            mask = self._masks[words] = np.fromiter(map(words.__contains__, self.words), np.bool_)
        return mask


class WordValues:
    """A few words, each with a number above 0: told by their hashes, as in a Vocabulary."""

    def __init__(self, words: Mapping[str, int]) -> None:
        """Each is a unit."""
        self.words = words.keys()
        self._values = words

    def values(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Of each unit, given as its hash; 0 for all other units."""
        table, values = self._table
        found = np.zeros(len(hashes), np.int64)
        places, words = table.find(hashes)
        found[places] = values[words]
        return found

    @functools.cached_property
    def _table(self) -> tuple[HashTable, NDArray[np.int64]]:
        """Made when it is first asked for: all classes of characters are known by then."""
        table = HashTable(TextArrays(list(self.words)).hashes, _VALUES_BITS)
        return table, np.fromiter(self._values.values(), np.int64)


@functools.cache
def vocabulary() -> Vocabulary:
    """Of all rules."""
    return Vocabulary(dict.fromkeys([*all_cue_words(), *all_counted_words()]))


def hash_of_pairs(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of two units in a row."""
    return first * np.uint64(0xD6E8FEB86659FD93) + second
