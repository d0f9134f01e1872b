"""Rule: what is guessed rather than seen.

Comes in: a candidate. Goes out: how much of it is guessed, outside quotation marks. Not its job: the
bounds (see config).
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import LOOK, Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.cues import Cues, cue_words
from triptych.filtering.units import units_of

_STRONG_HEDGES = cue_words(
    "perhaps maybe possibly probably likely presumably potentially conceivably supposedly plausibly might could"
    " presumed assumed assume imagine guess speculate unclear apparently".split()
)
_WEAK_HEDGES = cue_words(
    "seems seem seemingly appears appear suggests suggest suggesting suggestive implies implying indicating indicates hinting hints"
    " hint evoking possible may".split()
)
_HEDGES = _STRONG_HEDGES | _WEAK_HEDGES
_NOT_A_HEDGE = re.compile(
    r"\bcould (?:be|also be|clearly be) (?:seen|found|read|made out)|\b(?:un|not )likely|\blikely to\b(?! be)|\bappears? (?:on|in|at|behind|beside|below|above|near|next|under|along|twice|again|only|to the (?:left|right))"
    r"|\bMay (?:\d|Day\b)|\b(?:in|of|on|early|late|until|since) May\b|\bas (?:wide|far|much|close|large|many) as possible"
)
_HEDGES_HAN = (
    (
        1.0,
        Cues(
            (
                "可能 或许 也许 大概 似乎 好像 恐怕 想必 猜 推 估计 疑似 多半 不排除 说不定 应该 貌似 八成 没准",
                r"(?<![不尽])可能(?!性不)|或许|也许|大概(?![是的]?[0-9一二三四五六七八九十])|似乎|好像|恐怕|想必|猜测|推测|估计|疑似|多半|不排除"
                r"|说不定|应该(?:是|会|在|正|刚|为)|貌似|推断|猜想|八成|没准",
            ),
            han=True,
        ),
    ),
    (
        0.5,
        Cues(
            (
                "看起来 看上去 看似 暗示 预示 表明 像是 联想 仿佛 透露 意味着",
                r"看起来|看上去|看似|暗示|预示|表明|像是|让人联想|仿佛|透露出|意味着",
            ),
            han=True,
        ),
    ),
)


def hedges(candidate: Candidate) -> float:
    """How much is guessed: 1 for "perhaps" and its like, 0.5 for "seems" and its like."""
    words = candidate.cue_words
    if candidate.language == "zh":
        text = candidate.text
        return sum(
            weight * len(pattern.findall(candidate.unquoted))
            for weight, cues in _HEDGES_HAN
            for pattern in cues.found(words, text)
        )
    if _HEDGES.isdisjoint(words):
        return 0.0
    weight = _weight(candidate.units, words)
    if weight > 1 and candidate.unquoted is not candidate.text:
        weight = _weight(units_of(candidate.unquoted), words)
    return max(0.0, weight - len(_NOT_A_HEDGE.findall(candidate.unquoted))) if weight > 1 else weight


def _weight(units: list[str], words: AbstractSet[str]) -> float:
    return sum(map(units.count, _STRONG_HEDGES & words)) + 0.5 * sum(map(units.count, _WEAK_HEDGES & words))


_HEDGE_WORDS_HAN = frozenset(word for _, cues in _HEDGES_HAN for word in cues.words)


def screen_hedges(block: Block) -> NDArray[np.float64]:
    """The score, where no use of the words that isn't a guess can change it."""
    if block.language == "zh":
        return look_where(block.count(_HEDGE_WORDS_HAN) > 0)
    weight = block.count(_STRONG_HEDGES) + 0.5 * block.count(_WEAK_HEDGES)
    return np.where(weight <= 1, weight, LOOK)
