"""What people said of captions, and what becomes of them.

Comes in: people's verdicts, captions with the verdicts of the rules. Goes out: verdicts in which people have
the last word: a caption that somebody calls bad is rejected, one that is called good, or whose rejection is
called wrong, is kept, and one that was edited is kept with the new text; only where the caption is the very
one that was judged. Not its job: reading the file (see runs.human_verdicts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from triptych.records import Verdict
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text

BY_PEOPLE = "people"
"""The reason of a caption that a person rejects."""


class People:
    """The verdicts of one file."""

    def __init__(self, said: Iterable[HumanVerdict]) -> None:
        on_captions = [each for each in said if each.kind == each.job or each.kind.startswith("rejected: ")]
        on_captions.sort(key=lambda each: each.time)
        self._said = {each.caption: each for each in on_captions}
        self._met: set[str] = set()
        """Of those, the captions that are there and are as they were judged."""
        self.counts: Counter[str] = Counter()

    def meet(self, identifier: str, *texts: str) -> None:
        """A caption that is there now: its text, or what it was and what a repair has left."""
        said = self._said.get(identifier)
        if said is not None and said.of in ("", *map(digest_of_text, texts)):
            self._met.add(identifier)

    def last_word(self, verdict: Verdict) -> Verdict:
        """``verdict``, or what people make of it."""
        if verdict.id not in self._met:
            return verdict
        said = self._said[verdict.id]
        if said.text:
            self.counts["edited"] += 1
            return msgspec.structs.replace(verdict, keep=True, reason=None, text=said.text, removed=())
        if said.is_good == (said.kind == said.job):  # a kept one is good, or a rejected one isn't bad
            self.counts["kept"] += not verdict.keep
            return msgspec.structs.replace(verdict, keep=True, reason=None)
        if said.is_good:  # so is its rejection
            return verdict
        self.counts["rejected"] += verdict.keep
        scores = {**verdict.scores, BY_PEOPLE: 1.0}
        return msgspec.structs.replace(verdict, keep=False, reason=verdict.reason or BY_PEOPLE, scores=scores)

    @property
    def passed_over(self) -> int:
        """Verdicts on captions that aren't there, or have another text now."""
        return len(self._said) - len(self._met)

    def line(self) -> str:
        """What it came to."""
        counted = ", ".join(f"{self.counts[word]:,} {word}" for word in ("rejected", "kept", "edited"))
        gone = f"; {self.passed_over:,} are on captions that are others now" if self.passed_over else ""
        return f"people's verdicts: {counted}{gone}"
