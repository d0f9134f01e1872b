"""What each character is, in tables that a whole block of text is looked up in at once.

Comes in: code points. Goes out: a number for each letter, equal for capital and small, and classes as
bits. Not its job: what units are (see units), the look-up (see block).
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.mixing import mix
from triptych.filtering.units import HAN, LATIN

LAST_CODE = 0x40000
"""Beyond are private characters and ones without a meaning: all are looked up as this one."""

_patterns: list[re.Pattern[str]] = []
_common: list[np.uint32] = []


def character_class(pattern: str, *, is_common: bool = False) -> np.uint32:
    """A new class, of the characters that ``pattern`` matches one of: its bit.

    Called where a module is imported, so that all are known before the first caption is judged. Characters
    of a common class make up much of any text.
    """
    assert len(_patterns) < 30, "no bits are left for another class of characters"
    bit = np.uint32(1 << len(_patterns))
    _patterns.append(re.compile(f"(?:{pattern})+"))
    if is_common:
        _common.append(bit)
    return bit


def rare_classes() -> np.uint32:
    """All classes that aren't common."""
    common = np.uint32(0)
    for bit in _common:
        common |= bit
    return ~common


IS_HAN = character_class(rf"[{HAN}]", is_common=True)
IS_LATIN = character_class(rf"[{LATIN}]", is_common=True)
IS_OTHER_LETTER = character_class(rf"[^\W\d_{LATIN}{HAN}]")
IS_DIGIT = character_class(r"\d")
IS_ODD = np.uint32(1 << 30)
"""Units can't be told from such characters one by one: no single small letter, or no letter at all."""
IS_UNPRINTABLE = np.uint32(1 << 31)


class CharacterTables(NamedTuple):
    """By code point, to LAST_CODE."""

    numbers: NDArray[np.uint64]
    """Of letters and digits, the same for capital and small; 0 for what stands between units."""
    classes: NDArray[np.uint32]


@functools.cache
def character_tables() -> CharacterTables:
    """Made once a process, when all classes are known."""
    characters = list(map(chr, range(LAST_CODE)))
    is_letter = np.fromiter(map(str.isalnum, characters), np.bool_, LAST_CODE)
    for match in re.finditer(f"[{HAN}]+", "".join(characters)):
        is_letter[match.start() : match.end()] = True  # also where Unicode has none yet
    small = list(map(str.lower, characters))
    first = "".join([each[0] for each in small])
    small_codes = np.frombuffer(first.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    numbers = np.where(is_letter, mix(small_codes) | np.uint64(1), np.uint64(0))

    classes = np.zeros(LAST_CODE, np.uint32)
    for at, pattern in enumerate(_patterns):
        for match in pattern.finditer("".join(characters)):
            classes[match.start() : match.end()] |= np.uint32(1 << at)
    classes[~np.fromiter(map(str.isprintable, characters), np.bool_, LAST_CODE)] |= IS_UNPRINTABLE
    is_odd = np.fromiter(map(len, small), np.int64, LAST_CODE) != 1
    is_odd |= np.fromiter(map(str.isalnum, characters), np.bool_, LAST_CODE) != np.fromiter(
        map(str.isalnum, first), np.bool_, LAST_CODE
    )
    is_odd[ord("Σ")] = True  # its small letter depends on what follows
    classes[is_odd] |= IS_ODD
    return CharacterTables(np.append(numbers, np.uint64(0)), np.append(classes, IS_ODD | IS_UNPRINTABLE))
