"""What the page is told: the document that is embedded in it as JSON.

The page's scripts read these very names. Pictures are given once, in ``pictures``, and named by their
place there. Not its job: filling it (see the readers), drawing it (see page/).
"""

from __future__ import annotations

import msgspec

from triptych.records import JobName
from triptych.report.sampling import How
from triptych.runs.folder import Setting
from triptych.runs.ledger import Ledger
from triptych.runs.rule_scores import RuleScores


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A thumbnail as a data URL, or why there is none."""

    key: str
    width_px: int
    height_px: int
    url: str | None = None
    why_not: str | None = None


class CaptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one planned caption. ``why`` names the rules or the failure."""

    id: str
    job: JobName
    language: str
    state: str
    """``kept``, ``dropped``, ``failed``, ``not judged`` or ``not made``."""
    text: str = ""
    why: str = ""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """The image that came closest to joining a set."""

    picture: int
    min_cosine_similarity: float
    weakest_member: int
    """The place, in the set, of the image that it is least similar to."""
    why: str


class SetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A contact sheet. ``cosine_similarities`` has one row and one column an image."""

    id: str
    how: How
    pictures: list[int]
    cosine_similarities: list[list[float]]
    why_joined: list[str]
    """One line an image."""
    captions: list[CaptionShown]
    left_out: LeftOut | None


class SingleShown(msgspec.Struct, frozen=True, kw_only=True):
    """An image with its captions."""

    how: How
    picture: int
    captions: list[CaptionShown]


class RepeatedShown(msgspec.Struct, frozen=True, kw_only=True):
    """The earlier caption that a copy repeats."""

    id: str
    language: str
    pictures: list[int]
    text: str


class RejectedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A caption that a rule dropped, with the score of every rule that did."""

    how: How
    pictures: list[int]
    caption: CaptionShown
    scores: dict[str, float]
    repeats: RepeatedShown | None


class RuleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in one job."""

    job: JobName
    first: int
    """Captions of which it is the reason."""
    caught: int
    """Captions that it drops, alone or with others."""
    alone: int
    """Captions that no other rule drops."""
    scores: RuleScores | None
    """What it would drop with another bound; None where there is none to move."""


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over all jobs."""

    rule: str
    jobs: list[RuleCounts]
    examples: list[RejectedShown]


class DuplicateShown(msgspec.Struct, frozen=True, kw_only=True):
    """An image that was set aside, and the one that stays for it."""

    how: How
    key: str
    picture: int
    stays: int
    reason: str
    cosine_similarity: float


class FailureShown(msgspec.Struct, frozen=True, kw_only=True):
    """One class of unreadable images or failed captions."""

    where: str
    name: str
    count: int
    examples: list[tuple[str, str]]
    """``(key or caption id, reason)``."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of bins ``step`` wide; the first begins at ``low``."""

    name: str
    note: str
    low: float
    step: float
    counts: list[int]


class Similarity(msgspec.Struct, frozen=True, kw_only=True):
    """What is similar to what, on one axis with the band that sets are made in."""

    related: float | None
    duplicate: float | None
    why: str
    """Why the band is where it is, as grouping said; empty where it was set by hand."""
    histograms: list[Histogram]


class PaceStage(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of work that the run recorded."""

    name: str
    seconds: float
    count: int
    unit: str


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the run was. ``points`` are ``(seconds since the first, captions so far, job)``."""

    stages: list[PaceStage]
    points: list[tuple[float, int, str]]
    note: str


class StageShown(msgspec.Struct, frozen=True, kw_only=True):
    """A stage's state, settings and the digests of what it read."""

    name: str
    finished: bool
    settings: dict[str, Setting]
    inputs: dict[str, str]
    notes: dict[str, Setting]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which run this is."""

    name: str
    report: str
    """A hash of everything that decides what the run holds: verdicts on another report don't count."""
    model: str
    encoder: str
    engine: str
    cautions: list[str]
    versions: dict[str, str]
    prompts: dict[JobName, str]
    stages: list[StageShown]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page."""

    identity: Identity
    ledger: Ledger
    offences: list[str]
    set_sizes: dict[str, int]
    similarity: Similarity
    sets: list[SetShown]
    singles: list[SingleShown]
    rules: list[RuleShown]
    duplicates: list[DuplicateShown]
    failures: list[FailureShown]
    pace: Pace
    pictures: list[Picture]
