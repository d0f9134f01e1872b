"""Verdicts of people on captions, which override those of the rules.

Comes in: people's verdicts, and captions with the rules' verdicts. Goes out: final verdicts. A caption that a
person calls bad is rejected. One that a person calls good, or whose rejection a person calls wrong, is kept.
An edited caption is kept with its new text. An override applies only if the caption still has the text that
was judged. Confirming a rejection changes nothing, but a caption that people rejected stays rejected. Not its
job: reading the file (see runs.human_verdicts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from triptych.records import Verdict
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text

BY_PEOPLE = "people"
"""The reason of a caption that a person rejects."""


class HumanOverrides:
    """The verdicts of one file. Without any, nothing is overridden."""

    def __init__(self, verdicts: Iterable[HumanVerdict] = (), sha256: str = "") -> None:
        self.sha256 = sha256
        """Of the file that was read; empty if the config names none."""
        on_captions = [
            each for each in verdicts if each.kind == each.job or each.kind.startswith("rejected: ")
        ]
        on_captions.sort(key=lambda each: each.time)
        self._by_caption: dict[str, HumanVerdict] = {}
        for each in on_captions:
            if not (_confirms_rejection(each) and _calls_bad(self._by_caption.get(each.caption))):
                self._by_caption[each.caption] = each
        self._matched: set[str] = set()
        """Judged captions that exist and still have the judged text."""
        self.counts: Counter[str] = Counter()

    def match(self, identifier: str, *texts: str) -> None:
        """Note a caption of the run with its current texts: as it was made, and as repaired."""
        human = self._by_caption.get(identifier)
        if human is not None and human.of in ("", *map(digest_of_text, texts)):
            self._matched.add(identifier)

    def override(self, verdict: Verdict) -> Verdict:
        """The final verdict: ``verdict``, or what a person decided instead."""
        if verdict.id not in self._matched:
            return verdict
        human = self._by_caption[verdict.id]
        if human.text:
            self.counts["edited"] += 1
            return msgspec.structs.replace(verdict, keep=True, reason=None, text=human.text, removed=())
        if _calls_bad(human):
            self.counts["rejected"] += verdict.keep
            scores = {**verdict.scores, BY_PEOPLE: 1.0}
            reason = verdict.reason or BY_PEOPLE
            return msgspec.structs.replace(verdict, keep=False, reason=reason, scores=scores)
        if _confirms_rejection(human):
            return verdict
        self.counts["kept"] += not verdict.keep
        return msgspec.structs.replace(verdict, keep=True, reason=None)

    def summary(self) -> str:
        """The counts as one line."""
        counted = ", ".join(f"{self.counts[word]:,} {word}" for word in ("rejected", "kept", "edited"))
        unmatched = len(self._by_caption) - len(self._matched)
        gone = f"; {unmatched:,} are on captions that are others now" if unmatched else ""
        return f"people's verdicts: {counted}{gone}"


def _confirms_rejection(verdict: HumanVerdict) -> bool:
    return verdict.kind != verdict.job and verdict.is_good and not verdict.text


def _calls_bad(verdict: HumanVerdict | None) -> bool:
    """Whether a person calls the caption bad, or confirms that people rejected it."""
    if verdict is None or verdict.text:
        return False
    if verdict.kind == verdict.job:
        return not verdict.is_good
    return _confirms_rejection(verdict) and verdict.kind == f"rejected: {BY_PEOPLE}"
