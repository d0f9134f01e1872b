"""A caption as the rules see it: its text, what it is a caption of, and its units.

Comes in: text, job, number of images, finish reason. Goes out: the same, with the views on the text
that several rules share, each made once. Not its job: judging (see rules).

The unit of length is a word for scripts that write spaces and a character for Han, whatever the
job's language: a caption in the wrong language is then still measured by its own measure.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import cached_property

from corpus.records import JobName, Language, is_multi, language_of
from filtering.references import References, references

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with all their accents, and the full-width ones, as the inside of a character class."""

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

LONGEST_WORD = 40
"""A run of letters longer than this is not a word in any caption: its characters are counted one by one."""

LONGEST_QUOTE = 80
"""In characters. What a sign says is shorter; a longer stretch between quotation marks is the caption."""

LONGEST_READ = 8000
"""Characters that the costly views read: half as many again as the longest caption that any job allows.
What is longer is dropped for its length."""

_UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_LATIN_WORD = re.compile(rf"([{LATIN}\d]+)")
_OTHER_LETTER = re.compile(rf"[^\W\d_{LATIN}{HAN}]")
_SENTENCE_END = re.compile(r"(?<!\d)[.．]|[!?！？。…;；]|[\r\n]")
_QUOTED = re.compile(
    "|".join(
        rf"{opening}[^{opening}{closing}\n]{{1,{LONGEST_QUOTE}}}{closing}"
        for opening, closing in ('""', "“”", "‘’", "「」", "『』", "《》")
    )
    + rf"|(?<!\w)'[^'\n]{{1,{LONGEST_QUOTE}}}'(?!\w)"
)
_QUOTATION_MARKS = "\"'“‘「『《"
_ASCII_TO_SPACES = str.maketrans(dict.fromkeys(string.punctuation, " ") | {"'": None})


class Candidate:
    """One caption to judge. Immutable."""

    def __init__(
        self,
        *,
        text: str,
        job: JobName,
        image_count: int = 1,
        finish_reason: str = "stop",
        counterpart: str | None = None,
        grounding_rank: float | None = None,
    ) -> None:
        self.text = text
        self.job: JobName = job
        self.language: Language = language_of(job)
        """The language that the caption was asked for in."""
        self.image_count = image_count
        self.finish_reason = finish_reason
        self.counterpart = counterpart
        """What the caption of the same image or set in the other language says, where there is one."""
        self.grounding_rank = grounding_rank
        """How its least fitting sentence ranks (see grounding); None where that wasn't measured."""
        self.units = units_of(text)
        """Words and Han characters in order, in lower case, without punctuation."""
        self.words = frozenset(self.units)
        """The different units."""

    @property
    def is_multi(self) -> bool:
        """Whether it is a caption of a set."""
        return is_multi(self.job)

    @cached_property
    def unquoted(self) -> str:
        """The text without what stands between quotation marks: a sign may say what it says."""
        return _QUOTED.sub(" ", self.text) if has_any(self.text, _QUOTATION_MARKS) else self.text

    @cached_property
    def references(self) -> References:
        """Which images of its set the caption speaks of."""
        return references(self.unquoted[:LONGEST_READ], self.words, self.language, self.image_count)

    @cached_property
    def sentences(self) -> list[list[str]]:
        """The units of each sentence. A line break or semicolon ends one, a point after a digit doesn't."""
        return [units for part in _SENTENCE_END.split(self.text[:LONGEST_READ]) if (units := units_of(part))]


def units_of(text: str) -> list[str]:
    """The units of any text, in order. An apostrophe joins ("don't" is ``dont``), a hyphen separates."""
    lowered = text.lower().replace("’", "'")
    if lowered.isascii():
        units = lowered.translate(_ASCII_TO_SPACES).split()
    else:
        plain = _NOT_LETTERS.sub(" ", lowered.replace("'", ""))
        units = _UNIT.findall(plain) if _OTHER_LETTER.search(plain) else _han_and_latin(plain)
    if len(lowered) > LONGEST_WORD * len(units) and any(len(unit) > LONGEST_WORD for unit in units):
        return [part for unit in units for part in (unit if len(unit) > LONGEST_WORD else [unit])]
    return units


def _han_and_latin(plain: str) -> list[str]:
    units: list[str] = []
    for at, part in enumerate(_LATIN_WORD.split(plain)):
        if at % 2:
            units.append(part)
        else:
            units += part.replace(" ", "")
    return units


def has_any(text: str, characters: str) -> bool:
    """Whether one of ``characters`` is in ``text``: far quicker than any pattern, so it goes first."""
    return any_in(text, characters)


def any_in(text: str, needles: Iterable[str]) -> bool:
    """Whether one of ``needles`` is in ``text``."""
    for needle in needles:  # noqa: SIM110  (a generator costs as much as ten of these tests)
        if needle in text:
            return True
    return False
