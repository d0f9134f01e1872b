"""What people said of captions, and what becomes of them.

Comes in: people's verdicts, captions with the verdicts of the rules. Goes out: verdicts in which people have
the last word: a caption that somebody calls bad is rejected, one that is called good, or whose rejection is
called wrong, is kept, and one that was edited is kept with the new text; only where the caption is the very
one that was judged. That a rejection is right says nothing for a caption: one that people have rejected stays
rejected. Not its job: reading the file (see runs.human_verdicts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from triptych.records import Verdict
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text

BY_PEOPLE = "people"
"""The reason of a caption that a person rejects."""

_BY_PEOPLE_KIND = f"rejected: {BY_PEOPLE}"


class People:
    """The verdicts of one file."""

    def __init__(self, said: Iterable[HumanVerdict], sha256: str) -> None:
        self.sha256 = sha256
        """Of the file, as it was read."""
        on_captions = [each for each in said if each.kind == each.job or each.kind.startswith("rejected: ")]
        on_captions.sort(key=lambda each: each.time)
        self._said: dict[str, HumanVerdict] = {}
        for each in on_captions:
            if not (_confirms(each) and _calls_bad(self._said.get(each.caption))):
                self._said[each.caption] = each
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
        if _calls_bad(said):
            self.counts["rejected"] += verdict.keep
            scores = {**verdict.scores, BY_PEOPLE: 1.0}
            return msgspec.structs.replace(
                verdict, keep=False, reason=verdict.reason or BY_PEOPLE, scores=scores
            )
        if _confirms(said):
            return verdict
        self.counts["kept"] += not verdict.keep
        return msgspec.structs.replace(verdict, keep=True, reason=None)

    @property
    def passed_over(self) -> int:
        """Verdicts on captions that aren't there, or have another text now."""
        return len(self._said) - len(self._met)

    def line(self) -> str:
        """What it came to."""
        counted = ", ".join(f"{self.counts[word]:,} {word}" for word in ("rejected", "kept", "edited"))
        gone = f"; {self.passed_over:,} are on captions that are others now" if self.passed_over else ""
        return f"people's verdicts: {counted}{gone}"


def _confirms(said: HumanVerdict) -> bool:
    """Whether it calls a rejection right."""
    return said.kind != said.job and said.is_good and not said.text


def _calls_bad(said: HumanVerdict | None) -> bool:
    """Whether it calls the caption bad, whatever rules say of it: also by calling right that people did."""
    if said is None or said.text:
        return False
    return not said.is_good if said.kind == said.job else _confirms(said) and said.kind == _BY_PEOPLE_KIND
