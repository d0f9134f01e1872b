"""Rule: guesses instead of observations.

Comes in: an English or Chinese caption. Goes out: a weighted count of hedges outside quotation marks. Not its
job: other phrases that don't belong in a description (see refusal).
"""

from __future__ import annotations

import re

from triptych.filtering.caption import CaptionText, units_of
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language

_GUESSES = {
    "en": "perhaps maybe possibly probably likely presumably potentially conceivably supposedly plausibly might could presumed"
    " assumed assume imagine guess speculate unclear apparently surmise suppose believe believes",
    "zh": "可能 或许 也许 大概 似乎 好像 恐怕 想必 猜测 推测 估计 疑似 多半 不排除 说不定 应该是 应该会 应该在 应该正 应该刚 应该为"
    " 应当 貌似 推断 猜想 八成 没准 不难想象 可以想象 看样子 怕是 让人觉得",
}
_IMPRESSIONS = {
    "en": "seems seem seemingly appears appear suggests suggest suggesting suggestive implies implying indicating indicates hinting"
    " hints hint evoking possible may impression",
    "zh": "看起来 看上去 看似 暗示 预示 表明 像是 让人联想 仿佛 透露出 意味着",
}
_WEIGHTS = {
    code: dict.fromkeys(_GUESSES[code].split(), 1.0) | dict.fromkeys(_IMPRESSIONS[code].split(), 0.5)
    for code in _GUESSES
}

_NOT_A_HEDGE = {
    "en": re.compile(
        r"\bcould (?:also |clearly )?be (?:seen|found|read|made out)|\b(?:un|not )likely|\blikely to\b(?! be)"
        r"|\bappears? (?:on|in|at|behind|beside|below|above|near|next|under|along|twice|again|only|to the (?:left|right))"
        r"|\bMay (?:\d|Day\b)|\b(?:in|of|on|early|late|until|since) May\b|\bas (?:wide|far|much|close|large|many) as possible"
    ),
    "zh": re.compile("[不尽]可能|可能性不|大概[是的]?[0-9一二三四五六七八九十]"),
}
"""Other uses of these words. Each subtracts one from the score."""


def hedges(caption: CaptionText) -> float:
    """The number of hedges: words like "perhaps" count 1, words like "seems" 0.5."""
    weights = _WEIGHTS[caption.language.code]
    words = caption.present_needles(weights.keys())
    if caption.language.unit == "word" and words.isdisjoint(caption.units):
        return 0.0
    searched = units_of(caption.unquoted) if caption.language.unit == "word" else caption.unquoted
    score = sum(weights[word] * searched.count(word) for word in words)
    return max(0.0, score - len(_NOT_A_HEDGE[caption.language.code].findall(caption.unquoted)))


def most_hedges(subject: Subject, language: Language) -> float:
    """The seed's prompt forbids speculation. A few hedges are just caution: labelled good captions of one
    image reach 2.0, speculation begins at 3. Captions of sets are twice as long.
    """
    return 3.0 if subject == "set" else 2.5


SPECULATION = Rule(
    name="speculation",
    measure=hedges,
    threshold=most_hedges,
    languages=frozenset(_WEIGHTS),
    needles=frozenset().union(*_WEIGHTS.values()),
    step=0.5,
    likely_cause="a prompt that doesn't forbid guesses",
)
