"""What a rule is: one object, in one file, that measures one property of a caption.

Comes in: a caption. Goes out: a score, which the threshold turns into keep or reject. A measure never raises,
whatever the text. Not its job: which rules exist, and their order (see rules).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.filtering.caption import CaptionText, is_inscribed, is_on_carrier, is_title_or_lettering
from triptych.jobs import Subject
from triptych.languages import Language

Measure = Callable[[CaptionText], float]
Threshold = float | Callable[[Subject, Language], float]
Action = Literal["reject", "flag"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. A caption violates it if its score is beyond the threshold."""

    name: str
    measure: Measure | None
    """None if another part of the filter computes the score, because that needs more than one caption."""
    threshold: Threshold
    """A number, or a function of subject and language. Its source or measurement belongs beside it."""
    likely_cause: str
    """Why many captions of a job may violate it at once. Shown in the message that stops the stage."""
    violated: Literal["above", "below"] = "above"
    """On which side of the threshold. If ``above``, a score of 0 means that nothing was found."""
    action: Action = "reject"
    """What a violation does, unless the config says otherwise. ``flag`` keeps the caption, with its score in
    the verdict."""
    languages: frozenset[str] | None = None
    """Codes of the languages that it can read; None: any. Captions in other languages are not measured."""
    subject: Subject | None = None
    """Measure only captions of this subject; None: of any."""
    needles: AbstractSet[str] = frozenset()
    """Strings in lower case that are searched for beforehand (see CaptionText.present_needles)."""
    needs_needle: bool = True
    """Whether a text without any needle scores 0 without being measured."""
    is_share: bool = False
    """Whether scores lie in [0, 1]."""
    step: float | None = None
    """The bin width of the score histogram (see score_histogram). None: 0.01 for shares, otherwise a fiftieth
    of the threshold, but at least 1."""
    version: int = 1
    """Raise it if the same caption may get another score. Runs are then filtered again."""

    def threshold_of(self, subject: Subject, language: Language) -> float:
        """The default threshold."""
        return self.threshold(subject, language) if callable(self.threshold) else self.threshold

    def reads(self, language: Language) -> bool:
        """Whether it can measure captions in ``language``."""
        return self.languages is None or language.code in self.languages

    def is_violated(self, score: float | NDArray[np.float64], threshold: float) -> Any:
        """Whether a caption with this score violates the rule; for an array of scores, an array."""
        return score < threshold if self.violated == "below" else score > threshold


class JobRule(NamedTuple):
    """A rule with its threshold and action for one job."""

    rule: Rule
    threshold: float
    action: Action


class Phrases:
    """Lower-case phrases. Each is searched for only in texts that contain one of its needles."""

    MAX_MATCHES = 100
    """Of each pattern. One is enough to reject a caption."""

    def __init__(self, table: str, *, are_words: bool = True) -> None:
        """Each line of ``table`` has phrases separated by ``|``, or needles separated by ``|``, `` :: `` and
        a pattern whose matches all contain one of the needles. With ``are_words``, phrases match whole words
        only. A line that begins with ``~ `` has phrases that a pictured screen or page may show as well. They
        count only if no such thing is mentioned nearby."""
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        self._maybe_shown: set[re.Pattern[str]] = set()
        for line in map(str.strip, table.strip().splitlines()):
            phrases, _, pattern = line.removeprefix("~ ").partition(" :: ")
            needles = phrases.split("|")
            either = "|".join(map(re.escape, needles))
            compiled = re.compile(pattern or (rf"(?<!\w)(?:{either})(?!\w)" if are_words else either))
            if line.startswith("~ "):
                self._maybe_shown.add(compiled)
            for needle in needles:
                self._patterns.setdefault(needle, []).append(compiled)
        self.needles = frozenset(self._patterns)

    def count(self, caption: CaptionText) -> int:
        """The number of matches that are not quoted, on a sign or in a title."""
        found = caption.present_needles(self.needles)
        patterns = dict.fromkeys(pattern for needle in found for pattern in self._patterns[needle])
        text = caption.unquoted_lowered if patterns else ""
        return sum(
            not self._is_shown(pattern, match, caption)
            for pattern in patterns
            for match in islice(pattern.finditer(text), self.MAX_MATCHES)
        )

    def _is_shown(self, pattern: re.Pattern[str], match: re.Match[str], caption: CaptionText) -> bool:
        """Whether the match is text in the picture rather than a statement of the model."""
        text, (start, end) = match.string, match.span()
        if is_inscribed(text, start) or is_title_or_lettering(caption.unquoted, start):
            return True
        return pattern in self._maybe_shown and is_on_carrier(text, start, end)
