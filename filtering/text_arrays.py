"""Many texts at once, as arrays of characters and of units.

Comes in: texts. Goes out: classes of characters and a hash of every unit, in a few passes over all the
texts together, some nanoseconds a character. The units are those of ``units_of`` but in odd texts, which
are told. Not its job: what any of it says (see block).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.characters import IS_HAN, IS_ODD, character_tables
from triptych.filtering.units import LONGEST_WORD, units_of

_BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse modulo 2^64."""

_LEAST_POWERS = 1 << 17


class TextArrays:
    """``n`` texts. Arrays are by character, by unit or by text, in order."""

    def __init__(self, texts: Sequence[str]) -> None:
        plain = [text.replace("'", "").replace("’", "") for text in texts]
        encoded = (" ".join(plain) + " ").encode("utf-32-le", "surrogatepass")
        self.codes = np.frombuffer(encoded, np.uint32)
        """Of each character, apostrophes aside."""
        codes = self.codes.astype(np.intp)
        lengths = np.fromiter(map(len, plain), np.int64, len(plain))
        self.begins = np.concatenate([[0], np.cumsum(lengths + 1)])
        """``int64[n + 1]``: where each text's characters begin; a space stands behind each text."""
        tables = character_tables()
        numbers = tables.numbers.take(codes, mode="clip")
        self.character_classes = tables.classes.take(codes, mode="clip")
        """``uint32``: of each character."""
        self.classes = np.bitwise_or.reduceat(self.character_classes, self.begins[:-1])
        """``uint32[n]``: of all characters of each text together, and of a space."""

        is_first = numbers != 0
        goes_on = is_first & (self.character_classes & IS_HAN == 0)
        is_first[1:] &= ~(goes_on[:-1] & goes_on[1:])
        self.starts = np.flatnonzero(is_first)
        """Which character each unit begins with."""
        powers, inverses = _powers(len(numbers))
        sums = np.zeros(len(numbers) + 1, np.uint64)
        np.cumsum(np.multiply(numbers, powers, out=numbers), out=sums[1:])
        self.hashes = np.diff(sums[np.append(self.starts, len(numbers))]) * inverses[self.starts]
        """``uint64``: of each unit; equal units have equal hashes on every machine."""
        self.offsets = np.searchsorted(self.starts, self.begins)
        """``int64[n + 1]``: where each text's units begin."""
        self.unit_counts = np.diff(self.offsets)
        self.is_odd = (self.classes & IS_ODD != 0) | (lengths > LONGEST_WORD * self.unit_counts)
        """``bool[n]``: whether the units may be others; of others they are those of ``units_of``."""


def text_arrays(texts: Sequence[str]) -> tuple[TextArrays, NDArray[np.bool_]]:
    """Arrays with the units of ``units_of`` throughout, and which texts were odd: of those, nothing but the
    units is what the text has."""
    arrays = TextArrays(texts)
    is_odd = arrays.is_odd
    if is_odd.any():
        pairs = zip(texts, is_odd.tolist(), strict=True)
        arrays = TextArrays([" ".join(units_of(text)) if odd else text for text, odd in pairs])
    return arrays, is_odd


def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first ``count`` powers of _BASE modulo 2^64, and their inverses."""
    powers, inverses = _powers_to(max(1 << count.bit_length(), _LEAST_POWERS))
    return powers[:count], inverses[:count]


@functools.lru_cache(maxsize=2)
def _powers_to(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    factors = np.full((2, count), [[_BASE], [pow(_BASE, -1, 1 << 64)]], np.uint64)
    factors[:, 0] = 1
    powers, inverses = np.cumprod(factors, axis=1)
    return powers, inverses
