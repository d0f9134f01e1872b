"""Rule: the English and the Chinese caption of the same image or set contain different numbers.

Comes in: a caption with its counterpart. Goes out: how many numbers contradict each other. The two captions
need not mention the same things, so a number that only one of them has means nothing. But if each has numbers
that the other doesn't have, they count something differently. Not its job: deciding which number is right.
"""

from __future__ import annotations

import re

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Rule
from triptych.languages import HAN_NUMBERS

LARGEST = 12
"""Captions round larger numbers."""

_ENGLISH_NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()
_VALUES = {
    word: number
    for words in (map(str, range(2, LARGEST + 1)), _ENGLISH_NUMBERS, HAN_NUMBERS[1:])
    for number, word in enumerate(words, 2)
} | {"两": 2}

_ENGLISH = re.compile(
    rf"(?<![#\-:.,\d])\b({'|'.join(_ENGLISH_NUMBERS)}|[2-9]|1[0-2])\s+(?!(?:of|o'clock|percent|am|pm|or|to|and)\b)[a-z]",
    re.IGNORECASE,
)
_ENGLISH_OTHER = re.compile(
    r"\b(?:image|picture|photo|number|no|figure)s?[\s#.\-]*\d+|\b(?:first|last|other|next|final|remaining)\s+\w+\s+\w+"
    r"|\b(?:images?|photos?|pictures?)\s+(?:two|three|four|five)\b|\bone or two\b|\btwo[- ](?:tone|story|storey|way|piece)\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?<![第几十点年月:：\d\-])([两二三四五六七八九十]|[2-9]|1[0-2])"
    r"[个位名只辆艘座张把棵朵条匹头面顶架枚盏人扇块幅层排根台间栋件双支束片颗本杯盘碗瓶对组群株串](?!半)"
)
_CHINESE_OTHER = re.compile(
    r"第\s*\S{1,2}\s*[张幅个]|(?:前|后|另外|其他|其余|剩下的?)[两二三四五\d][张幅个名位只]|两(?:[侧旁边端]|层楼)|图[像片]?\s*\d+"
)
_READERS = {"en": (_ENGLISH, _ENGLISH_OTHER), "zh": (_CHINESE, _CHINESE_OTHER)}
"""By language: patterns of a number with what it counts, and of other uses of numbers."""


def disagreement(caption: CaptionText) -> float:
    """How many numbers of the two captions contradict each other; 0 without a readable counterpart."""
    for code, text in caption.counterparts.items():
        if code != caption.language.code and code in _READERS:
            mine, theirs = counts(caption.unquoted, caption.language.code), counts(text, code)
            return float(min(len(mine - theirs), len(theirs - mine)))
    return 0.0


def counts(text: str, code: str) -> frozenset[int]:
    """The numbers of things in ``text``, from 2 to LARGEST, without the numbers of images."""
    number, other = _READERS[code]
    return frozenset(_VALUES[each.lower()] for each in number.findall(other.sub(" ", text)))


DISAGREEMENT = Rule(
    name="disagreement",
    measure=disagreement,
    threshold=0.0,
    action="flag",
    languages=frozenset(_READERS),
    likely_cause="a model that counts badly in one of the two languages",
)
