"""What a rule is: one object, in one file, that measures one thing on one caption.

Comes in: a caption. Goes out: a score; the threshold makes keep or reject of it. A measure never raises,
whatever the text. Not its job: which rules there are, and in which order (see rules).
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

from triptych.filtering.caption import CaptionText, is_inscribed, is_name, is_on_carrier
from triptych.jobs import Subject
from triptych.languages import Language

Measure = Callable[[CaptionText], float]
Threshold = float | Callable[[Subject, Language], float]
Action = Literal["reject", "flag"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. A caption violates it where its score is beyond the threshold."""

    name: str
    measure: Measure | None
    """None: another part of the filter scores it, since it takes more than this caption to know."""
    threshold: Threshold
    """A number, or one for each subject and language. Its source or measurement belongs beside it."""
    likely_cause: str
    """Why many captions of a job may violate it at once: for the message that stops the stage."""
    violated: Literal["above", "below"] = "above"
    """On which side of the threshold. A rule that is violated above it scores 0 where there is nothing."""
    action: Action = "reject"
    """What is done with a violation, unless the config says otherwise. ``flag`` keeps the caption, with its
    score in the verdict."""
    languages: frozenset[str] | None = None
    """Codes of those that it can read; None: any. Captions in others are not measured."""
    subject: Subject | None = None
    """What captions are of, where it is only for those."""
    needles: AbstractSet[str] = frozenset()
    """In lower case. Those that a text has are found for it beforehand (see CaptionText.among)."""
    needs_needle: bool = True
    """Whether a text without any needle is not measured: its score is 0. Without needles each is measured."""
    is_share: bool = False
    """Whether scores lie in [0, 1]."""
    step: float | None = None
    """How finely scores are counted around the threshold (see score_histogram). None: a hundredth of a share,
    a fiftieth of a threshold in counts, at least 1."""
    version: int = 1
    """Raise it when the same caption would get another score: runs are filtered again then."""

    def threshold_of(self, subject: Subject, language: Language) -> float:
        """The threshold, where the config says nothing else."""
        return self.threshold(subject, language) if callable(self.threshold) else self.threshold

    def reads(self, language: Language) -> bool:
        """Whether it can say anything of captions in ``language``."""
        return self.languages is None or language.code in self.languages

    def is_violated(self, score: float | NDArray[np.float64], threshold: float) -> Any:
        """Whether a caption with such a score violates it, or which of several."""
        return score < threshold if self.violated == "below" else score > threshold


class JobRule(NamedTuple):
    """A rule as it is used on the captions of a job."""

    rule: Rule
    threshold: float
    action: Action


class Phrases:
    """Phrases in lower case, each looked for only in a text that has one of its needles."""

    MOST_COUNTED = 100
    """Places of a pattern: one is enough to reject a caption."""

    def __init__(self, table: str, *, are_words: bool = True) -> None:
        """A line: phrases, or needles, `` :: `` and a pattern; a match has one of the needles.
        Both are separated by ``|``. ``are_words``: no letter may stand on either side of a phrase. ``~ ``
        leads a line of what is also said of things on a screen or a page: it counts where none is nearby."""
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        self._also_shown: set[re.Pattern[str]] = set()
        for line in table.strip().splitlines():
            phrases, _, pattern = line.strip().removeprefix("~ ").partition(" :: ")
            either = "|".join(map(re.escape, phrases.split("|")))
            compiled = re.compile(pattern or (rf"(?<!\w)(?:{either})(?!\w)" if are_words else either))
            if line.strip().startswith("~ "):
                self._also_shown.add(compiled)
            for needle in phrases.split("|"):
                self._patterns.setdefault(needle, []).append(compiled)
        self.needles = frozenset(self._patterns)

    def count(self, caption: CaptionText) -> int:
        """In how many places the caption says one of them, other than quoted, on a sign or as a title."""
        found = caption.among(self.needles)
        patterns = dict.fromkeys(pattern for needle in found for pattern in self._patterns[needle])
        text = caption.unquoted_lowered if patterns else ""
        return sum(
            not self._is_of_picture(pattern, match, caption)
            for pattern in patterns
            for match in islice(pattern.finditer(text), self.MOST_COUNTED)
        )

    def _is_of_picture(self, pattern: re.Pattern[str], match: re.Match[str], caption: CaptionText) -> bool:
        text, (start, end) = match.string, match.span()
        if is_inscribed(text, start) or is_name(caption.unquoted, start):
            return True
        return pattern in self._also_shown and is_on_carrier(text, start, end)
