"""Rule: whether a caption is in the language that was asked for.

Comes in: a candidate. Goes out: the share of it that isn't, in [0, 1]. The script decides first, and
decides nearly always; English is then told from other languages in Latin letters by its commonest
words, and only sentences without those go to a language identifier. Not its job: traditional
characters (see traditional).
"""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.characters import IS_HAN, IS_LATIN, IS_OTHER_LETTER
from triptych.filtering.cues import counted_words
from triptych.filtering.identify import is_english
from triptych.filtering.units import HAN, LATIN, units_of

ENGLISH_WORDS = counted_words(
    "the and of with is are to this that its there from by which while has other at on it their was he she"
    " his her they where these as for an being image each both".split()
)
"""Words that make up a third of any English description and little of any other language."""

SURELY_ENGLISH_SHARE = 0.22
"""Of the units. The captions of tests/filtering/labelled have 0.25 and more; one with a foreign sentence
among four falls below, and then sentences are looked at one by one."""

SURE_WORDS_IN_SENTENCE = 0.12
"""A sentence with this share of ENGLISH_WORDS is English without being asked about."""

SHORTEST_IDENTIFIED = 5
"""In units. A shorter sentence is too little for an identifier."""

MOST_IDENTIFIED = 50
"""Sentences of a caption that are asked about: more than the longest caption that any job allows has."""

FOREIGN_RUN_WORDS = 6
"""Latin words in a row outside quotation marks that make an English clause in a Chinese caption, where
one of ENGLISH_WORDS is among them. Names and brands are shorter and have none."""

FOREIGN_RUN_HAN = 10
"""Han characters in a row outside quotation marks that make a Chinese clause in an English caption."""

_LATIN_WORD = re.compile(rf"[{LATIN}]+(?:['’\-][{LATIN}]+)*")
_HAN_CHARACTER = re.compile(rf"[{HAN}]")
_OTHER_LETTER = re.compile(rf"[^\W\d_{LATIN}{HAN}]")
_BRACKETED = re.compile(r"\([^()\n]{1,80}\)|（[^（）\n]{1,80}）")
_LATIN_RUN = re.compile(rf"(?<![{LATIN}])[{LATIN}]++(?:[\s,'’\-]++[{LATIN}]++){{{FOREIGN_RUN_WORDS - 1},}}")
_HAN_RUN = re.compile(rf"[{HAN}](?:[{HAN}，、：]){{{FOREIGN_RUN_HAN - 1},}}")
_SIGN = re.compile(
    r"(?:写着|写有|标有|标着|印有|印着|标注|字样|文字|名为|显示|read|say|written|text|character|letter|label|word"
    r"|inscri|print|titled|display)[^.。!?！？]{0,40}$",
    re.IGNORECASE,
)
"""What goes before an unquoted inscription, in the same sentence."""

_INSCRIPTION = re.compile(rf"[{HAN}]{{1,24}}(?![{HAN}])")
"""As long as a sign or a banner is, in one go."""
MOST_INSCRIPTIONS = 50
"""More than these have no sign each."""

_SENTENCE = re.compile(r"[^.!?;\n]+")


def foreign_share(candidate: Candidate) -> float:
    """The share of the text that is in another language, quotations and brackets aside."""
    text = candidate.text
    if not text.strip():
        return 0.0
    if candidate.language == "zh":
        return _not_chinese(candidate)
    if text.isascii() and candidate.count(ENGLISH_WORDS):
        return _not_english(candidate)
    return _other_script(candidate, _HAN_RUN) or _not_english(candidate)


def screen_foreign_share(block: Block) -> NDArray[np.float64]:
    """0 where there is one script, and for English enough of its commonest words."""
    if block.language == "zh":
        return look_where(~block.has(IS_HAN) | block.has(IS_LATIN | IS_OTHER_LETTER))
    sure = block.count(ENGLISH_WORDS)
    is_english = (sure > 0) & (sure >= SURELY_ENGLISH_SHARE * block.unit_counts)
    return look_where(~is_english | block.has(IS_HAN | IS_OTHER_LETTER))


def _not_chinese(candidate: Candidate) -> float:
    text, units = candidate.text, candidate.unit_count
    foreign = len(_LATIN_WORD.findall(text))
    has_other = _OTHER_LETTER.search(text) is not None
    if units and not foreign and not has_other:
        return 0.0 if _HAN_CHARACTER.search(text) else 1.0
    if foreign < FOREIGN_RUN_WORDS and not has_other:
        return foreign / units if units > 3 * foreign else 1.0
    return _other_script(candidate, _LATIN_RUN)


def _other_script(candidate: Candidate, foreign_run: re.Pattern[str]) -> float:
    text = _BRACKETED.sub(" ", candidate.unquoted)
    if candidate.language == "en" and text.isascii() and _LATIN_WORD.search(text):
        return 0.0
    latin, han, other = _counts(text)
    if latin + han + other == 0:
        latin, han, other = _counts(candidate.text)
    if han and candidate.language == "en":
        han -= sum(
            len(run[0])
            for run in islice(_INSCRIPTION.finditer(text), MOST_INSCRIPTIONS)
            if _SIGN.search(text, max(0, run.start() - 60), run.start())
        )
    own = han if candidate.language == "zh" else latin
    share = 1.0 - own / max(latin + han + other, 1)
    if share == 0.0:
        return share
    for run in foreign_run.finditer(text):
        is_clause = candidate.language == "en" or not ENGLISH_WORDS.isdisjoint(run[0].lower().split())
        if is_clause and not _SIGN.search(text, max(0, run.start() - 60), run.start()):
            return 1.0
    return share


def _counts(text: str) -> tuple[int, int, int]:
    return (
        len(_LATIN_WORD.findall(text)),
        len(_HAN_CHARACTER.findall(text)),
        len(_OTHER_LETTER.findall(text)),
    )


def _not_english(candidate: Candidate) -> float:
    if candidate.count(ENGLISH_WORDS) >= SURELY_ENGLISH_SHARE * candidate.unit_count:
        return 0.0
    foreign = total = identified = 0
    for sentence in _SENTENCE.findall(candidate.unquoted):
        words = units_of(sentence)
        total += len(words)
        if len(words) < SHORTEST_IDENTIFIED:
            continue
        if sum(map(ENGLISH_WORDS.__contains__, words)) < SURE_WORDS_IN_SENTENCE * len(words):
            foreign += 0 if is_english(sentence.strip()) else len(words)
            identified += 1
            if identified == MOST_IDENTIFIED:
                break
    return foreign / max(total, 1)
