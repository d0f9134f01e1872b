"""The filter's settings: which rules run, and overrides of their defaults.

Comes in: a table of a config file, or keywords. Goes out: one checked, frozen FilteringConfig. Default
thresholds are defined by the rules, beside their sources (see rules). Not its job: finding rules (see
rule_choice), measuring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from triptych.errors import UsageError, expect_fields


class FilteringConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which captions are rejected. Raises UsageError if a value is invalid."""

    rules: tuple[str, ...] = ()
    """Names of rules to run; empty: all built-in ones. A rule of your own is ``module:NAME``,
    ``file.py:NAME`` or the name of an entry point of the group ``triptych.rules``. If only own rules are
    named, they run after all built-in ones. The first rule that rejects a caption is its reason."""
    flags: tuple[str, ...] | None = None
    """Rules that only flag: the caption is kept, with the score in its verdict. If given, all other rules
    reject; None: each rule's default."""
    thresholds: Mapping[str, float | dict[str, float]] = {}
    """Overrides of default thresholds, by rule: a number, or numbers by job."""

    grounding: bool = False
    """Compare each phrase with its image. Needs the embeddings of the run and a model with a text tower."""
    grounding_images: int = 512
    """How many images, sampled by hash from the corpus, a phrase and its like are compared with. With 512 the
    rank is known to within 0.04 (at most two standard deviations)."""

    untrue: Literal["reject", "repair"] = "reject"
    """What happens to a caption with a statement that a checker denied (see `triptych check`). ``repair``
    removes these sentences, and the other rules judge the rest. If nothing remains, or an image of a set is
    no longer named, the caption is rejected."""
    verdicts: str = ""
    """A file of people's verdicts, as downloaded from the report. They override the rules."""
    max_rejected_share: float = 0.3
    """Of a job's captions. A rule that rejects more stops the stage, since then more likely the prompt, the
    model or the threshold is wrong. InternVL-SA-1B-Caption kept nearly all: 11M of 11,185,362 images have a
    caption."""
    guarded_from: int = 30
    """Captions of a job from which on ``max_rejected_share`` applies. A share of fewer means little."""
    accepted: tuple[str, ...] = ()
    """Rules that may reject any share."""
    workers: int = 0
    """Scoring processes; 0: one for each core. Verdicts don't depend on it."""

    def __post_init__(self) -> None:
        """Raise UsageError if a value is invalid."""
        expect_fields(self, "filtering")
        if not 0.0 <= self.max_rejected_share <= 1.0:
            raise UsageError(
                f"filtering.max_rejected_share is {self.max_rejected_share}; expected a share from 0 to 1"
            )
        if self.grounding_images < 2 or self.workers < 0:
            raise UsageError(
                f"filtering.grounding_images is {self.grounding_images} and workers {self.workers};"
                " expected at least 2 and 0"
            )
        if self.untrue == "repair" and "untrue" in (self.flags or ()):
            raise UsageError(
                "filtering.untrue is 'repair', and filtering.flags has untrue; leave out one of the two",
                key="filtering.untrue",
            )
        if len(set(self.rules)) < len(self.rules):
            raise UsageError(f"filtering.rules names a rule twice: {', '.join(self.rules)}; name each once")
