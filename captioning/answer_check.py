"""Finds answers that are plainly unusable and worth asking for again.

Comes in: an answer, its finish reason, how many images it is about; the language and prompt of its job. Goes
out: its worst defect, or None. Only obvious defects, found cheaply and with few false alarms; a false alarm
costs no more than a request. Not its job: judging captions, for which filtering has finer rules.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, get_args

import msgspec

from triptych.captioning.structured import compose
from triptych.captioning.thinking import without_thinking
from triptych.failure_notices import failure_notices
from triptych.languages import Language, script_of, without_invisible
from triptych.prompts import Naming

Defect = Literal["wrong form", "empty", "refusal", "wrong language", "loop", "wrong image names", "cut"]

WORST_FIRST: tuple[Defect, ...] = get_args(Defect)
"""A cut caption is right as far as it goes, one that names images wrongly still says what is in them, and a
loop begins well. Nothing of the others can be used."""

USELESS: frozenset[str] = frozenset({"wrong form", "empty", "refusal", "wrong language", "loop"})
"""If all answers of a job have one of these defects, something is set up wrongly."""

MIN_LETTERS = 10
"""The language of shorter texts can't be recognised."""

DENSE_SCRIPTS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})
DENSE_LETTER_WEIGHT = 3
"""A letter of these scripts is a syllable or a word: it counts as this many letters of an alphabet."""

MIN_OWN_SHARE = 0.57
"""The least weighted share of letters in a script of the language. A sign or a name in another script is
allowed: a fifth of an English caption's letters may be Chinese, seven tenths of a Chinese one's English.
Chinese captions of the seed have over 0.9."""

MIN_SHARE_BESIDE_HAN = 0.1
"""In a language that mixes Han characters with other scripts, as Japanese does: the least share of letters in
those. A text in Han characters alone is Chinese."""

LOOP_REPEATS = 4
LOOP_LETTERS = 24
MAX_UNIT_LETTERS = 300
"""A text has a loop if it ends in LOOP_REPEATS repeats of a unit, with at least LOOP_LETTERS together.
InternVL's loops (InternVL issue 366) repeat a phrase or a sentence until max_tokens cuts them."""

SENTENCE_REPEATS = 3
SENTENCE_LETTERS = 16
"""It also has a loop if a sentence of this many letters occurs this often."""

_SENTENCE_END = re.compile(r"[.!?。!?؟۔।\n]+")
_REFUSAL = re.compile(
    r"\s*(?:(?:i['’]m|i am) (?:sorry|unable|not able)|sorry[,.]|i (?:cannot|can['’]t|can not)\b"
    r"|as an ai\b|unfortunately, i\b"
    r"|(?:非常|很|十分)?(?:抱歉|对不起)|我(?:无法|不能)|作为(?:一个|一名)?(?:AI|人工智能))",
    re.IGNORECASE,
)

_QUOTED = re.compile(r"[\"“「『《][^\"”」』》\n]{1,160}[\"”」』》]")


class AnswerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Checks the answers of one job."""

    language: Language
    naming: Naming | None = None
    """How the caption of a set has to name its images (see prompts). None: in any way."""
    structured: bool = False
    """Answers are JSON (see structured), from which captions are composed with the labels of ``naming``."""

    def text_of(self, answer: str, image_count: int) -> str | None:
        """The caption of an answer about ``image_count`` images, without the model's reasoning. None if a
        structured answer isn't in its form."""
        answer = without_invisible(without_thinking(answer))
        if not self.structured or self.naming is None:
            return answer
        return compose(answer, self.naming, self.language, image_count)

    def defect(self, answer: str, finish_reason: str, image_count: int = 1) -> Defect | None:
        """The worst defect of an answer about ``image_count`` images."""
        text = self.text_of(answer, image_count)
        return "wrong form" if text is None else self.defect_of_text(text, finish_reason, image_count)

    def defect_of_text(self, text: str, finish_reason: str, image_count: int = 1) -> Defect | None:
        """The worst defect of a caption."""
        if not any(map(str.isalpha, text)):
            return "empty"
        if _REFUSAL.match(text) or failure_notices(_QUOTED.sub(" ", text), image_count):
            return "refusal"
        if _is_other_script(text, self.language):
            return "wrong language"
        if _is_loop(text):
            return "loop"
        naming = self.naming
        if naming and (naming.missing(text, image_count) or naming.unknown(text, image_count)):
            return "wrong image names"
        return "cut" if finish_reason == "length" else None


def _is_other_script(text: str, language: Language) -> bool:
    """Whether the scripts of ``text`` rule out ``language``. Can't distinguish languages that share a
    script."""
    letters: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        letters[script_of(letter)] += count
    del letters[""]
    total = letters.total()
    if total < MIN_LETTERS:
        return False
    own = letters.keys() & set(language.scripts)
    if "CJK" in language.scripts and len(language.scripts) > 1:
        beside_han = sum(letters[script] for script in own if script != "CJK")
        if letters["CJK"] and beside_han < MIN_SHARE_BESIDE_HAN * total:
            return True
    for script in letters.keys() & DENSE_SCRIPTS:
        letters[script] *= DENSE_LETTER_WEIGHT
    return sum(letters[script] for script in own) < MIN_OWN_SHARE * letters.total()


def _is_loop(text: str) -> bool:
    text = text.strip()
    for unit in range(1, min(MAX_UNIT_LETTERS, len(text) // LOOP_REPEATS) + 1):
        tail = text[-max(unit * LOOP_REPEATS, LOOP_LETTERS) :]
        if len(tail) >= LOOP_LETTERS and tail[unit:] == tail[:-unit]:
            return True
    sentences = Counter(sentence.strip() for sentence in _SENTENCE_END.split(text))
    return any(
        count >= SENTENCE_REPEATS and sum(map(str.isalpha, sentence)) >= SENTENCE_LETTERS
        for sentence, count in sentences.items()
    )
