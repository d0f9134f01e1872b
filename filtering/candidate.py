"""A caption as the rules see it: its text, what it is a caption of, and its units.

Comes in: text, job, number of images, finish reason. Goes out: the same, with the views on the text
that several rules share, each made once. Not its job: judging (see rules).

The unit of length is a word for scripts that write spaces and a character for Han, whatever the
job's language: a caption in the wrong language is then still measured by its own measure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from triptych.filtering.cues import words_and_pairs
from triptych.filtering.image_numbers import References
from triptych.filtering.references import references
from triptych.filtering.units import marks_of, units_of
from triptych.records import JobName, Language, is_multi, language_of

if TYPE_CHECKING:
    from triptych.filtering.block import Block

LONGEST_QUOTE, LONGEST_SINGLE_QUOTE = 160, 80
"""In characters. What a sign says is shorter; a longer stretch between quotation marks is the caption. Single
ones, which are apostrophes, too, stand around a word or a name."""

LONGEST_READ = 8000
"""Characters that the costly views read: nearly twice the longest caption that any job allows.
What is longer is dropped for its length."""

LONGEST_TOLD: Mapping[Language, int] = {"en": LONGEST_READ, "zh": 2500}
"""The same of what is read for the images that it tells of: more than twice the longest Chinese caption."""

MOST_SENTENCES = 500
"""Looked at one by one. The longest caption that any job allows has a tenth of that."""

_SENTENCE_END = re.compile(r"(?<!\d)[.．]|[!?！？。…;；]|[\r\n]")
_QUOTED_BY = {
    opening: re.compile(rf"{opening}[^{opening}{closing}\n]{{1,{LONGEST_QUOTE}}}{closing}")
    for opening, closing in ('""', "“”", "‘’", "「」", "『』", "《》")
}
_QUOTED_BY["'"] = re.compile(rf"'(?<!\w')[^'\n]{{1,{LONGEST_SINGLE_QUOTE}}}'(?!\w)")
"""By the mark that opens; each begins with it, so that the search runs in C."""
_QUOTED = re.compile("|".join(quoted.pattern for quoted in _QUOTED_BY.values()))


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
        self.is_multi = is_multi(job)
        """Whether it is a caption of a set."""
        self.block: Block | None = None
        self.place = 0
        """The block that it is read in with others, and which of them it is; it is read alone without."""

    @functools.cached_property
    def unit_count(self) -> int:
        """How many units it has."""
        return len(self.units) if self.block is None else int(self.block.unit_counts[self.place])

    @functools.cached_property
    def units(self) -> list[str]:
        """Words and Han characters in order, in lower case (see units)."""
        return units_of(self.text)

    @functools.cached_property
    def marks(self) -> str:
        """The characters but plain letters and the commonest marks (see units)."""
        return marks_of(self.text)

    @functools.cached_property
    def cue_words(self) -> AbstractSet[str]:
        """Of its units and its pairs of Han characters, at least those that rules look for (see cues)."""
        return words_and_pairs(self.units) if self.block is None else self.block.cue_words_of(self.place)

    def count(self, words: frozenset[str]) -> int:
        """How many units are among ``words``, which are counted words or cue words (see cues)."""
        if self.block is None:
            return sum(map(words.__contains__, self.units))
        return int(self.block.count(words)[self.place])

    @functools.cached_property
    def is_printable(self) -> bool:
        """Whether it is without line breaks, tabs and other characters that aren't shown."""
        return self.text.isprintable() if self.block is None else not self.block.is_unprintable[self.place]

    @functools.cached_property
    def unquoted(self) -> str:
        """The text without what stands between quotation marks: a sign may say what it says."""
        text = self.text
        marks = [mark for mark in _QUOTED_BY if mark in text]
        if not marks:
            return text
        return (_QUOTED if len(marks) > 1 else _QUOTED_BY[marks[0]]).sub(" ", text)

    @functools.cached_property
    def unquoted_lowered(self) -> str:
        """The same in lower case."""
        return self.unquoted.lower()

    @functools.cached_property
    def references(self) -> References:
        """Which images of its set the caption speaks of."""
        text = self.unquoted[: LONGEST_TOLD[self.language]]
        if not self.is_printable:
            text = " ".join(text.split())
        return references(text, self.cue_words, self.language, self.image_count)

    @property
    def sentences(self) -> list[list[str]]:
        """The units of each sentence. A line break or semicolon ends one, a point after a digit doesn't."""
        parts = _SENTENCE_END.split(self.text[:LONGEST_READ], MOST_SENTENCES)
        return [units for part in parts if (units := units_of(part))]
