"""A caption as the rules see it: its text, what it is a caption of, and its units.

Comes in: text, job, number of images, finish reason. Goes out: the same, with the views on the text
that several rules share, each made once. Not its job: judging (see rules).

The unit of length is a word for scripts that write spaces and a character for Han, whatever the
job's language: a caption in the wrong language is then still measured by its own measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from corpus.records import JobName, Language, is_multi, language_of

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with all their accents, and the full-width ones, as the inside of a character class."""

HAN = r"㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

LONGEST_WORD = 40
"""A run of letters longer than this is not a word in any caption: its characters are counted one by one."""

_UNIT = re.compile(rf"[{HAN}]|(?:[^\W_{HAN}]|(?<=\w)['’\-](?=\w))+")
_SENTENCE_END = re.compile(r"(?<!\d)[.．]|[!?！？。…]|[\r\n]")


class Candidate:
    """One caption to judge. Immutable; its views are computed on first use."""

    def __init__(self, *, text: str, job: JobName, image_count: int = 1, finish_reason: str = "stop") -> None:
        self.text = text
        self.job: JobName = job
        self.image_count = image_count
        self.finish_reason = finish_reason

    @property
    def language(self) -> Language:
        """The language that the caption was asked for in."""
        return language_of(self.job)

    @property
    def is_multi(self) -> bool:
        """Whether it is a caption of a set."""
        return is_multi(self.job)

    @cached_property
    def units(self) -> list[str]:
        """Words and Han characters in order, in lower case, without punctuation."""
        return list(_units_of(self.text))

    @cached_property
    def sentences(self) -> list[list[str]]:
        """The units of each sentence. A line break ends one, a point after a digit doesn't."""
        return [units for part in _SENTENCE_END.split(self.text) if (units := list(_units_of(part)))]


def _units_of(text: str) -> Iterator[str]:
    for unit in _UNIT.findall(text.lower()):
        if len(unit) > LONGEST_WORD:
            yield from unit
        else:
            yield unit
