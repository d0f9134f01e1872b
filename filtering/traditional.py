"""Rule: traditional characters where Simplified Chinese was asked for; the one file that imports opencc.

Comes in: a candidate. Goes out: the share of its Han characters that only Traditional Chinese writes.
Not its job: other languages (see language).
"""

from __future__ import annotations

import functools
import re

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.characters import LAST_CODE
from triptych.filtering.units import HAN

FEWEST = 3
"""Different characters. One or two are a name, or a character that both write (乾隆, 著名)."""

_INSCRIBED = re.compile(
    rf"(?:[写寫題题刻印标標书書][着著有了]|字样|匾额|招牌|店名|牌匾)(?:是|为|上?[的]?)?[：:]?[{HAN}·]{{1,12}}"
)
"""What a sign says without quotation marks, as far as a sign goes."""

_HAN_CHARACTER = re.compile(rf"[{HAN}]")


def traditional_share(candidate: Candidate) -> float:
    """The share, in [0, 1], of the Han characters outside quotation marks; 0 for an English caption."""
    if candidate.language == "en":
        return 0.0
    only = traditional_only()
    if len(only.intersection(candidate.units)) < FEWEST:
        return 0.0
    characters = _HAN_CHARACTER.findall(_INSCRIBED.sub(" ", candidate.unquoted))
    found = [character for character in characters if character in only]
    return len(found) / len(characters) if len(set(found)) >= FEWEST else 0.0


def screen_traditional_share(block: Block) -> NDArray[np.float64]:
    """0 for an English caption, and with fewer such characters than a score needs."""
    if block.language == "en":
        return np.zeros(len(block))
    return look_where(block.sum_characters(_is_traditional().take(block.arrays.codes, mode="clip")) >= FEWEST)


@functools.cache
def _is_traditional() -> NDArray[np.bool_]:
    """By code point."""
    table = np.zeros(LAST_CODE + 1, np.bool_)
    table[[ord(each) for each in traditional_only()]] = True
    return table


@functools.cache
def traditional_only() -> frozenset[str]:
    """Every character of the common blocks that opencc turns into another one for Simplified Chinese."""
    import opencc

    to_simplified = opencc.OpenCC("t2s")
    common = (
        chr(code) for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)) for code in range(first, last)
    )
    return frozenset(each for each in common if to_simplified.convert(each) != each)
