"""Whether an answer is plainly unusable, so that it is worth asking again before it is written down.

Comes in: a text, why it ended, its language. Goes out: what is wrong with it, or None. Only what nobody
would want, told cheaply and with few false alarms: a false alarm costs a request, no more, since the
answers are kept. Not its job: judging captions (see filtering), which has finer rules for all of this.
"""

from __future__ import annotations

import re
from typing import Literal

Fault = Literal["empty", "refusal", "wrong language", "loop", "cut"]

WORST_FIRST: tuple[Fault, ...] = ("empty", "refusal", "wrong language", "loop", "cut")
"""A cut caption is right as far as it goes; a loop begins well; of the others nothing can be used."""

LEAST_LETTERS = 10
"""Below, a language can't be told."""

MAX_CJK_SHARE_EN = 0.2
MIN_CJK_SHARE_ZH = 0.3
"""Of all letters. A sign or a name in the other script stays below; Chinese captions of the seed have
over 0.9, and one that quotes a long English sign still over 0.3."""

LOOP_REPEATS = 4
LOOP_LETTERS = 24
LONGEST_UNIT = 300
"""A loop is a unit that a text ends in, LOOP_REPEATS times or more and at least LOOP_LETTERS long. An
InternVL loop (InternVL issue 366) repeats a phrase or a sentence until max_tokens cuts it."""

SENTENCE_REPEATS = 3
SENTENCE_LETTERS = 16
"""Or a sentence of so many letters that stands in the text so often."""

_CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_END = re.compile(r"[.!?。!?\n]+")
_REFUSAL = re.compile(
    r"\s*(?:(?:i['’]m|i am) (?:sorry|unable|not able)|sorry[,.]|i (?:cannot|can['’]t|can not)\b"
    r"|as an ai\b|unfortunately, i\b"
    r"|(?:非常|很|十分)?(?:抱歉|对不起)|我(?:无法|不能)|作为(?:一个|一名)?(?:AI|人工智能))",
    re.IGNORECASE,
)


def find_fault(text: str, finish_reason: str, language: str) -> Fault | None:
    """The worst fault of an answer."""
    if not _LETTER.search(text):
        return "empty"
    if _REFUSAL.match(text):
        return "refusal"
    if _is_other_language(text, language):
        return "wrong language"
    if _is_loop(text):
        return "loop"
    return "cut" if finish_reason == "length" else None


def _is_other_language(text: str, language: str) -> bool:
    letters = len(_LETTER.findall(text))
    if letters < LEAST_LETTERS:
        return False
    share = len(_CJK.findall(text)) / letters
    return share < MIN_CJK_SHARE_ZH if language == "zh" else share > MAX_CJK_SHARE_EN


def _is_loop(text: str) -> bool:
    text = text.strip()
    for unit in range(1, min(LONGEST_UNIT, len(text) // LOOP_REPEATS) + 1):
        tail = text[-max(unit * LOOP_REPEATS, LOOP_LETTERS) :]
        if len(tail) >= LOOP_LETTERS and tail[unit:] == tail[:-unit]:
            return True
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text)]
    long = [sentence for sentence in sentences if len(_LETTER.findall(sentence)) >= SENTENCE_LETTERS]
    return any(long.count(sentence) >= SENTENCE_REPEATS for sentence in set(long))
