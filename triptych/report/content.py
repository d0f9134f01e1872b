"""What the page shows: the document that is embedded in it as JSON.

The page's scripts read these very names. Pictures are given once, in ``pictures``, and elsewhere by their
number there. Not its job: filling it (see stage), drawing it (see page/).
"""

from __future__ import annotations

import msgspec

from triptych.report.sampling import How
from triptych.runs.human_verdicts import REASONS, HumanVerdict
from triptych.runs.ledger import Ledger
from triptych.runs.rule_scores import RuleScores
from triptych.runs.stage_record import Setting


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A thumbnail as a data URL, or why there is none."""

    key: str
    width_px: int
    height_px: int
    url: str | None = None
    why_not: str | None = None


class JobShown(msgspec.Struct, frozen=True, kw_only=True):
    """A job, and what the page calls it."""

    name: str
    label: str
    """Such as ``Single English``; the job's name where two jobs would have the same."""
    short_label: str
    """Beside its captions: the language, or the job's name."""
    language: str
    """Its code, for fonts and line breaks."""
    language_name: str
    is_multi: bool
    prompt: str


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a caption's text that a rule objects to, in UTF-16 units."""

    start: int
    end: int
    rule: str
    images: list[int] = []
    """The numbers of the images of a set that a checker denied it of, from 1."""


class CaptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one planned caption. ``why`` names the rules or the failure."""

    id: str
    job: str
    language: str
    state: str
    """``kept``, ``rejected``, ``failed``, ``not judged`` or ``not made``."""
    text: str = ""
    digest: str = ""
    """Of the text, for verdicts on it."""
    edited: str = ""
    """What is exported in its place, as a person wrote it."""
    why: str = ""
    rules: list[str] = []
    """Those that reject it, or flag it."""
    marks: list[Mark] = []
    removed: list[str] = []
    """Sentences that a checker denied, and that the text doesn't have any more."""
    unfit: str = ""
    """The phrase that fits the images least, where the rule ``ungrounded`` objects."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """The image that came closest to joining a set."""

    picture: int
    min_cosine_similarity: float
    weakest_member: int
    """Which image of the set it is least similar to, from 0."""
    why: str


class SetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A contact sheet. ``cosine_similarities`` has one row and one column an image."""

    id: str
    how: How
    kind: str
    """``related``, ``contrast`` or ``varied``."""
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
    """The earlier caption that a duplicate repeats."""

    id: str
    language: str
    pictures: list[int]
    text: str


class RejectedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A caption that a rule rejected, with the score of every rule that did."""

    how: How
    pictures: list[int]
    caption: CaptionShown
    scores: dict[str, float]
    repeats: RepeatedShown | None


class RuleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in one job."""

    job: str
    first: int
    """Captions of which it is the reason."""
    caught: int
    """Captions that it rejects, alone or with others."""
    alone: int
    """Captions that no other rule rejects."""
    scores: RuleScores | None
    """What it would reject with another threshold; None where there is none to move."""


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over all jobs."""

    rule: str
    jobs: list[RuleCounts]
    examples: list[RejectedShown]


class DuplicateShown(msgspec.Struct, frozen=True, kw_only=True):
    """A duplicate, and the image that is kept in its place."""

    how: How
    key: str
    picture: int
    kept: int
    reason: str
    cosine_similarity: float


class ScreenedShown(msgspec.Struct, frozen=True, kw_only=True):
    """An image that a screen leaves out, or would, and what it measured."""

    picture: int
    value: float


class ScreenShown(msgspec.Struct, frozen=True, kw_only=True):
    """One screen, on or off."""

    name: str
    count: int
    """Images of which it is the reason."""
    scores: RuleScores
    examples: list[ScreenedShown]
    """Of one that is off: images that it would leave out."""


class PairShown(msgspec.Struct, frozen=True, kw_only=True):
    """What two runs say of the same images."""

    job: str
    key: str
    """The image key or the set id."""
    pictures: list[int]
    texts: tuple[str, str]
    """Left and right."""
    swapped: bool
    """Whether the left one is the other run's."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Another run beside this one. Of two values the first is this run's."""

    names: tuple[str, str]
    reports: tuple[str, str]
    models: tuple[str, str]
    prompts: list[tuple[str, str, str]]
    """``(job, prompt here, prompt there)``."""
    pairs: list[PairShown]


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
    """What is similar to what, on one axis with the thresholds between which sets are made."""

    related: float | None
    duplicate: float | None
    why: str
    """Why the thresholds are where they are, as grouping noted; empty where they were set by hand."""
    histograms: list[Histogram]


class TimedStage(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of work that the run recorded."""

    name: str
    seconds: float
    count: int
    unit: str


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the run was. ``points`` are ``(seconds since the first, captions so far, job)``."""

    stages: list[TimedStage]
    points: list[tuple[float, int, str]]
    note: str
    workers: list[str] = []
    """Lines about each, where it was and how fast."""


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
    stages: list[StageShown]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page."""

    identity: Identity
    jobs: list[JobShown]
    ledger: Ledger
    checks: dict[str, list[str]] = {}
    """What a checker said of the captions of each job, in words."""
    violations: list[str] = []
    set_sizes: dict[str, int] = {}
    similarity: Similarity
    sets: list[SetShown] = []
    singles: list[SingleShown] = []
    rules: list[RuleShown] = []
    screens: list[ScreenShown] = []
    duplicates: list[DuplicateShown] = []
    failures: list[FailureShown] = []
    throughput: Throughput
    beside: Beside | None = None
    pictures: list[Picture] = []
    map: list[tuple[float, float]] = []
    """Where each picture lies on the map, across and down, from 0 to 1."""
    reasons: tuple[str, ...] = REASONS
    """Why a caption may be bad."""
    live: bool = False
    """Whether the page is served: then it asks its server for the state of the run, and tells it verdicts."""
    verdicts: list[HumanVerdict] = []
    """Those that the server has stored."""
