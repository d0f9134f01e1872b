"""A caption as the rules see it: its text, what it is a caption of, and its units.

Comes in: text, job, number of images, finish reason. Goes out: the same, with the views on the text
that several rules share, each made once. Not its job: judging (see rules).

The unit of length is a word for scripts that write spaces and a character for Han, whatever the
job's language: a caption in the wrong language is then still measured by its own measure.
"""

from __future__ import annotations

import re

from corpus.records import JobName, Language, is_multi, language_of
from filtering.image_numbers import References
from filtering.references import references
from filtering.units import take_apart, units_of

LONGEST_QUOTE = 80
"""In characters. What a sign says is shorter; a longer stretch between quotation marks is the caption."""

LONGEST_READ = 8000
"""Characters that the costly views read: half as many again as the longest caption that any job allows.
What is longer is dropped for its length."""

MOST_SENTENCES = 500
"""Looked at one by one. The longest caption that any job allows has a tenth of that."""

_SENTENCE_END = re.compile(r"(?<!\d)[.．]|[!?！？。…;；]|[\r\n]")
_QUOTED = re.compile(
    "|".join(
        rf"{opening}[^{opening}{closing}\n]{{1,{LONGEST_QUOTE}}}{closing}"
        for opening, closing in ('""', "“”", "‘’", "「」", "『』", "《》")
    )
    + rf"|'(?<!\w')[^'\n]{{1,{LONGEST_QUOTE}}}'(?!\w)"
)
"""Each alternative begins with a character, so that the search for them runs in C."""
_QUOTATION_MARKS = frozenset('"“‘「『《')


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
        self.units, self.marks = take_apart(text)
        """Words and Han characters in order, in lower case; and what is left (see units)."""
        self.words = frozenset(self.units)
        """The different units."""
        self.is_multi = is_multi(job)
        """Whether it is a caption of a set."""
        self._unquoted: str | None = None
        self._lowered: str | None = None
        self._joined: str | None = None
        self._references: References | None = None

    @property
    def unquoted(self) -> str:
        """The text without what stands between quotation marks: a sign may say what it says."""
        if self._unquoted is None:
            text = self.text
            has_quotes = not _QUOTATION_MARKS.isdisjoint(self.marks) or "'" in text
            self._unquoted = _QUOTED.sub(" ", text) if has_quotes else text
        return self._unquoted

    @property
    def unquoted_lowered(self) -> str:
        """The same in lower case."""
        if self._lowered is None:
            self._lowered = self.unquoted.lower()
        return self._lowered

    @property
    def joined(self) -> str:
        """The units without anything between them."""
        if self._joined is None:
            self._joined = "".join(self.units)
        return self._joined

    @property
    def references(self) -> References:
        """Which images of its set the caption speaks of."""
        if self._references is None:
            text = self.unquoted[:LONGEST_READ]
            self._references = references(text, self.words, self.language, self.image_count)
        return self._references

    @property
    def sentences(self) -> list[list[str]]:
        """The units of each sentence. A line break or semicolon ends one, a point after a digit doesn't."""
        parts = _SENTENCE_END.split(self.text[:LONGEST_READ], MOST_SENTENCES)
        return [units for part in parts if (units := units_of(part))]
