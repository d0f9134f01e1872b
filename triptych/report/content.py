"""The content of the page: the document that is embedded in it as JSON.

The page's scripts read these names. Pictures are stored once, in ``pictures``, and referred to by their
index. Not its job: filling it (see write_report), drawing it (see page/).
"""

from __future__ import annotations

import msgspec

from triptych.report.sampling import How
from triptych.runs.human_verdicts import REASONS, HumanVerdict
from triptych.runs.ledger import Ledger
from triptych.runs.rule_scores import RuleScores
from triptych.runs.stage_record import Setting


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A thumbnail as a data URL, or the reason why there is none."""

    key: str
    width_px: int
    height_px: int
    url: str | None = None
    why_not: str | None = None


class JobShown(msgspec.Struct, frozen=True, kw_only=True):
    """A job, and its names on the page."""

    name: str
    label: str
    """Such as ``Single English``; the job's name if two jobs would have the same label."""
    short_label: str
    """Shown with its captions: the language, or the job's name."""
    language: str
    """Its code, for fonts and line breaks."""
    language_name: str
    is_multi: bool
    prompt: str


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A span of a caption's text that a rule objects to, in UTF-16 units."""

    start: int
    end: int
    rule: str
    images: list[int] = []
    """For sets: the images that a checker denied it for, numbered from 1."""


class CaptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One planned caption and its state. ``why`` names the rules or the failure."""

    id: str
    job: str
    language: str
    state: str
    """``kept``, ``rejected``, ``failed``, ``not judged`` or ``not made``."""
    text: str = ""
    digest: str = ""
    """A digest of the text, which verdicts refer to."""
    edited: str = ""
    """A person's text, which is exported instead."""
    why: str = ""
    rules: list[str] = []
    """The rules that reject or flag it."""
    marks: list[Mark] = []
    removed: list[str] = []
    """Sentences that a checker denied and that were removed from the text."""
    unfit: str = ""
    """The phrase that fits the images least, if the rule ``ungrounded`` objects."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """The image that came closest to joining a set."""

    picture: int
    why: str


class SetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A set as a contact sheet. ``cosine_similarities`` has one row and one column per image."""

    id: str
    how: How
    kind: str
    """``related``, ``contrast`` or ``varied``."""
    pictures: list[int]
    cosine_similarities: list[list[float]]
    why_joined: list[str]
    """One line per image."""
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
    """A rejected caption, with the score of every rule that rejects it."""

    how: How
    pictures: list[int]
    caption: CaptionShown
    scores: dict[str, float]
    repeats: RepeatedShown | None


class RuleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one rule in one job."""

    job: str
    first: int
    """Captions rejected with this rule as the reason."""
    caught: int
    """Captions that it rejects, alone or with others."""
    alone: int
    """Captions that no other rule rejects."""
    scores: RuleScores | None
    """What it would reject with another threshold; None if it has no threshold."""


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


class ScreenShown(msgspec.Struct, frozen=True, kw_only=True):
    """One screen, on or off."""

    name: str
    count: int
    """Images left out with this screen as the reason."""
    scores: RuleScores
    examples: list[tuple[int, float]]
    """Pictures with their measured values; if the screen is off, those that it would leave out."""


class PairShown(msgspec.Struct, frozen=True, kw_only=True):
    """The captions of two runs on the same images."""

    job: str
    key: str
    """The image key or the set id."""
    pictures: list[int]
    texts: tuple[str, str]
    """Left and right."""
    swapped: bool
    """Whether the left text is the other run's."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison with another run. In each pair of values the first is this run's."""

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
    """Distributions of cosine similarities, and the thresholds between which sets are made."""

    related: float | None
    duplicate: float | None
    why: str
    """Why these thresholds were chosen, as grouping noted; empty if they were set by hand."""
    histograms: list[Histogram]


class TimedStage(msgspec.Struct, frozen=True, kw_only=True):
    """The duration of a stage or of a job's captions, as recorded."""

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
    """A line per worker: where it ran and how fast."""


class StageShown(msgspec.Struct, frozen=True, kw_only=True):
    """A stage's state, its settings and the digests of its inputs."""

    name: str
    finished: bool
    settings: dict[str, Setting]
    inputs: dict[str, str]
    notes: dict[str, Setting]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which run this is."""

    name: str
    report: str
    """A hash of everything that determines the run's content. Verdicts on another report don't count."""
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
    """Lines on the checker's answers, by job."""
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
    map: list[tuple[float, float, str]] = []
    """Each picture's position on the map, x and y from 0 to 1, and what became of the image: ``in-set``,
    ``single``, ``duplicate`` or ``screened``."""
    reasons: tuple[str, ...] = REASONS
    """Why a caption may be bad."""
    live: bool = False
    """Whether the page is served: then it polls its server for the run's state, and sends it verdicts."""
    has_samples: bool = True
    """False while the server has none yet: then the page loads itself again once it has."""
    verdicts: list[HumanVerdict] = []
    """Verdicts that the server has stored."""
