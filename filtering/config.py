"""The filter's settings: which rules run, and what is different from what a rule says of itself.

Comes in: a table of a config file, or keywords. Goes out: one checked, frozen FilteringConfig. Each rule has
its own default threshold, with its source beside it (see rules). Not its job: finding rules (see
rule_choice), measuring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from triptych.errors import UsageError


class FilteringConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which captions are rejected. Raises UsageError where a value can't be."""

    rules: tuple[str, ...] = ()
    """Names of rules to run; empty: all that ship. A rule of your own is ``module:NAME``, ``file.py:NAME`` or
    the name of an entry point of the group ``triptych.rules``. Where only such are named, they run after all
    that ship. The first rule that rejects a caption is its reason."""
    flags: tuple[str, ...] | None = None
    """Rules that only flag: the caption is kept, with the score in its verdict. Where this is given, all
    others reject; None: what each rule says itself."""
    thresholds: Mapping[str, float | dict[str, float]] = {}
    """By rule, where not what the rule says itself: a number, or numbers by the names of jobs."""

    grounding: bool = False
    """Compare each phrase with its image. Needs the embeddings of the run and a model with a text tower."""
    grounding_images: int = 512
    """How many other images a phrase is compared with, and captions of how many to find phrases like it:
    chosen by hash over the corpus. The rank is then known to within 0.04 (two standard deviations of a
    share of 512, at most)."""

    untrue: Literal["reject", "repair"] = "reject"
    """What becomes of a caption with a statement that a checker denied (see `triptych check`). ``repair``:
    these sentences are taken out, and the other rules judge what is left; where that is nothing, or an image
    of a set isn't named any more, the caption is rejected all the same."""
    verdicts: str = ""
    """A file of people's verdicts, as the report's button downloads it: people have the last word. Empty:
    rules alone."""
    max_rejected_share: float = 0.3
    """Of a job's captions. A rule that rejects more stops the stage: a prompt, a model or a threshold is off
    rather than so many captions. InternVL-SA-1B-Caption kept nearly all: 11M of 11,185,362 images have a
    caption."""
    guarded_from: int = 30
    """Of a job. A share of fewer says nothing, and stops nothing."""
    accepted: tuple[str, ...] = ()
    """Rules that may reject any share."""
    workers: int = 0
    """Processes that score; 0 is one for each core. Verdicts don't depend on it."""

    def __post_init__(self) -> None:
        """Raises UsageError where a value can't be."""
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
