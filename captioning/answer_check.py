"""Whether an answer is plainly unusable, so that it is worth asking again before it is written down.

Comes in: a text, why it ended, how many images it is about; the language and the prompt of its job. Goes out:
what is wrong with it, or None. Only what nobody would want, found cheaply and with few false alarms: a false
alarm costs a request, no more, since the answers are kept. Not its job: judging captions (see filtering),
which has finer rules for all of this.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

import msgspec

from triptych.captioning.structured import compose
from triptych.captioning.thinking import without_thinking
from triptych.failure_notices import failure_notices
from triptych.languages import Language, script_of, without_invisible
from triptych.prompts import Naming

Defect = Literal["wrong form", "empty", "refusal", "wrong language", "loop", "wrong image names", "cut"]

WORST_FIRST: tuple[Defect, ...] = (
    "wrong form",
    "empty",
    "refusal",
    "wrong language",
    "loop",
    "wrong image names",
    "cut",
)
"""A cut caption is right as far as it goes, and one that names images wrongly says what is in them; a loop
begins well; of the others nothing can be used."""

USELESS: frozenset[str] = frozenset({"wrong form", "empty", "refusal", "wrong language", "loop"})
"""With these nothing can be done: where each answer of a job is one of them, the set-up is wrong."""

LEAST_LETTERS = 10
"""Below, a language can't be recognised."""

DENSE_SCRIPTS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})
DENSE_LETTER = 3
"""A letter of these scripts is a syllable or a word: it counts as so many letters of an alphabet."""

MIN_OWN_SHARE = 0.57
"""Of all letters, so counted: those in a script of the language. A fifth of an English caption's letters may
be Chinese, seven tenths of a Chinese one's English: a sign or a name in another script stays below. Chinese
captions of the seed have over 0.9."""

MIN_BESIDE_HAN = 0.1
"""Of all letters: those in the other scripts of a language that mixes them with Han characters, as Japanese
does. A text in Han characters alone is Chinese."""

LOOP_REPEATS = 4
LOOP_LETTERS = 24
LONGEST_UNIT = 300
"""A loop is a unit that a text ends in, LOOP_REPEATS times or more and at least LOOP_LETTERS long. An
InternVL loop (InternVL issue 366) repeats a phrase or a sentence until max_tokens cuts it."""

SENTENCE_REPEATS = 3
SENTENCE_LETTERS = 16
"""Or a sentence of so many letters that stands in the text so often."""

_SENTENCE_END = re.compile(r"[.!?。!?؟۔।\n]+")
_REFUSAL = re.compile(
    r"\s*(?:(?:i['’]m|i am) (?:sorry|unable|not able)|sorry[,.]|i (?:cannot|can['’]t|can not)\b"
    r"|as an ai\b|unfortunately, i\b"
    r"|(?:非常|很|十分)?(?:抱歉|对不起)|我(?:无法|不能)|作为(?:一个|一名)?(?:AI|人工智能))",
    re.IGNORECASE,
)

_QUOTED = re.compile(r"[\"“「『《][^\"”」』》\n]{1,160}[\"”」』》]")


class AnswerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers of one job must be like."""

    language: Language
    naming: Naming | None = None
    """How the caption of a set has to name its images (see prompts). None: in any way."""
    structured: bool = False
    """Answers come in a form (see structured), and by ``naming`` captions are composed of them."""

    def text_of(self, answer: str, image_count: int) -> str | None:
        """The caption that an answer about ``image_count`` images gives, without what the model thought;
        None where it isn't in its form."""
        answer = without_invisible(without_thinking(answer))
        if not self.structured or self.naming is None:
            return answer
        return compose(answer, self.naming, self.language, image_count)

    def defect(self, answer: str, finish_reason: str, image_count: int = 1) -> Defect | None:
        """The worst defect of an answer about ``image_count`` images."""
        text = self.text_of(answer, image_count)
        return "wrong form" if text is None else self.defect_of_text(text, finish_reason, image_count)

    def defect_of_text(self, text: str, finish_reason: str, image_count: int = 1) -> Defect | None:
        """The same of a caption."""
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
    """Whether ``text`` can't be in ``language``. Languages that share a script are not told apart."""
    letters: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        letters[script_of(letter)] += count
    del letters[""]
    total = letters.total()
    if total < LEAST_LETTERS:
        return False
    own = letters.keys() & set(language.scripts)
    if "CJK" in language.scripts and len(language.scripts) > 1:
        beside_han = sum(letters[script] for script in own if script != "CJK")
        if letters["CJK"] and beside_han < MIN_BESIDE_HAN * total:
            return True
    weights = {script: count * _weight(script) for script, count in letters.items()}
    return sum(weights[script] for script in own) < MIN_OWN_SHARE * sum(weights.values())


def _weight(script: str) -> int:
    return DENSE_LETTER if script in DENSE_SCRIPTS else 1


def _is_loop(text: str) -> bool:
    text = text.strip()
    for unit in range(1, min(LONGEST_UNIT, len(text) // LOOP_REPEATS) + 1):
        tail = text[-max(unit * LOOP_REPEATS, LOOP_LETTERS) :]
        if len(tail) >= LOOP_LETTERS and tail[unit:] == tail[:-unit]:
            return True
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text)]
    long = [sentence for sentence in sentences if sum(map(str.isalpha, sentence)) >= SENTENCE_LETTERS]
    return any(long.count(sentence) >= SENTENCE_REPEATS for sentence in set(long))
