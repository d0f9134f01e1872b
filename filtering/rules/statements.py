"""Rules on what a caption states: guesses instead of observations, personal data, and numbers that the English
and the Chinese caption of the same image or set count differently.

Comes in: a caption, with its counterpart in the other language if there is one. Goes out: a weighted count of
hedges outside quotation marks; the number of e-mail addresses and telephone numbers, including those on a sign
in the picture; how many numbers contradict each other. Not its job: other phrases that don't belong in a
description (see conversation), names of people, which can't be distinguished from other names, and deciding which
number is right.
"""

from __future__ import annotations

import re

from triptych.filtering.caption import CaptionText, units_of
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import HAN_NUMBERS, Language

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


_EMAIL = re.compile(r"[\w.+\-]{1,64}\s?@\s?[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,4}")
_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}[\s.\-]?(?:\(?\d{1,4}\)?[\s.\-]?){2,5}\d{2,4}"  # +44 20 7946 0000
    r"|\(?\d{3}\)?[\s.\-]\d{3}[\s.\-]\d{4}"  # (212) 555-0143
    r"|0\d{2,3}[\s\-]?\d{7,8}|1[3-9]\d[\s\-]?\d{4}[\s\-]?\d{4}|[48]00[\s\-]\d{3,4}[\s\-]\d{3,4}"  # China
    r"|0\d{2,4}[\s\-]\d{3,4}[\s\-]\d{3,4}|\d{3}-\d{4})(?![\w])"
)
_MAY_BE_A_PHONE = re.compile(r"\d(?:\D{0,3}\d){4}")
"""Every telephone number has five digits with at most three other characters between neighbours."""


def personal_data(caption: CaptionText) -> float:
    """The number of e-mail addresses and telephone numbers."""
    text = caption.text
    emails = _EMAIL.findall(text) if "@" in text else []
    phones = _PHONE.findall(text) if _MAY_BE_A_PHONE.search(text) else []
    return float(len(emails) + len(phones))


PERSONAL_DATA = Rule(
    name="personal_data",
    measure=personal_data,
    threshold=0.0,
    action="flag",
    # A telephone number has two digits in a row.
    needles=frozenset({"@", *(f"{number:02}" for number in range(100))}),
    likely_cause="images of signs, documents and screens",
)


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
    """How many numbers of the two captions contradict each other; 0 without a readable counterpart.

    They need not mention the same things, so a number that only one of them has means nothing. But if each has
    numbers that the other doesn't have, they count something differently.
    """
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
