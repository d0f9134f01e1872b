"""What is remembered of a run and its stages, as run.json has it.

Comes in and goes out: records. Not its job: changing them (see stages), writing run.json (see run_file).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from triptych.errors import UsageError
from triptych.runs.run_file import FORMAT_VERSION

StageName = str
"""One of STAGE_NAMES; or ``exports/NAME``, an export in a folder of that name beside `triptych run`'s."""
STAGE_NAMES: tuple[StageName, ...] = ("embeddings", "sets", "captions", "verdicts", "export")

WRITTEN_BY: dict[StageName, tuple[str, ...]] = {
    "embeddings": ("sources.jsonl", "images", "embeddings"),
    "sets": ("sets.jsonl", "duplicates.jsonl", "screened.jsonl", "screen_scores.jsonl"),
    "captions": (),
    "verdicts": ("verdicts",),
    "export": ("export",),
}
"""What is counted and hashed when a stage has finished. Lines of captions have checksums of their own."""


def is_export(stage: StageName) -> bool:
    """Whether it is the run's export, or one beside it."""
    return stage.startswith("export")


def with_verb(stage: StageName, verb: str) -> str:
    """Its name and "are" or "were", or of an export what one thing has.

    >>> with_verb("sets", "are"), with_verb("exports/lf", "were")
    ('sets are', 'exports/lf was')
    """
    singular = {"are": "is", "were": "was"}
    return f"{stage} {singular[verb] if is_export(stage) else verb}"


_EXPORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Setting = str | int | float | bool | None


class Extent(msgspec.Struct, frozen=True):
    """How much there is of what a stage writes."""

    files: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} files of {self.size_bytes:,} bytes"


class AnswersLeft(Extent, frozen=True):
    """How much there is of what a checker said of a job's captions, in journals that only grow."""

    answers: int


class Loss(NamedTuple):
    """Files that a finished stage wrote were removed, cut short or edited."""

    stage: StageName
    was: Extent
    now: Extent

    def __str__(self) -> str:
        return f"{self.stage}: {self.now} are there, {self.was} when it had finished"


class CaptionsMark(msgspec.Struct, frozen=True):
    """What the captions of a job look like from outside: it changes when they do."""

    generation: str
    limit: Setting
    planned_of: str
    """A digest of what grouping wrote."""
    size_bytes: int
    """Of its journals, which only grow."""


class StageState(msgspec.Struct, kw_only=True):
    """A stage's fingerprint and how far it got.

    ``settings`` are its own config, flattened, and its code's data version: when they change, the
    user decides. ``inputs`` are digests of what it reads: when only they change, it is done again.
    """

    settings: dict[str, Setting]
    inputs: dict[str, str] = {}
    finished: bool = False
    fresh: bool = False
    """Whether it was begun by ``--fresh``, and hasn't finished: the same command goes on with it."""
    notes: dict[str, Setting] = {}
    """Figures a stage wants remembered: how long it took, what it chose."""
    left: Extent | None = None
    """What it left in the folder when it finished; None before that."""
    made_of: dict[str, CaptionsMark] = {}
    """Of verdicts and export: which captions they were made of, by job."""
    wrote: dict[str, str] = {}
    """The SHA-256 of each file that it left, by its path below the run folder."""


class JobChecks(msgspec.Struct, kw_only=True):
    """What came of the checks of a job (see captioning.checking)."""

    captions: int = 0
    """That are checked, or were to be."""
    statements: int = 0
    """Times images: what was asked, and is to be."""
    missing: int = 0
    """Of these, not answered yet."""
    answers: dict[str, int] = {}
    """How many were yes, no and unclear; of the image that a statement is about."""
    denied: int = 0
    """Captions of which a statement was denied."""
    swapped: int = 0
    """Statements that hold for their image of a set, and were put to another image of that set as well."""
    hold_elsewhere: int = 0
    """Of these, the ones that hold for that image, too."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    made_of: CaptionsMark | None = None
    """Which captions were checked."""


class RunFile(msgspec.Struct, kw_only=True):
    """The content of run.json."""

    format_version: int = FORMAT_VERSION
    versions: dict[str, str] = {}
    config: dict[str, object] = {}
    origins: dict[str, str] = {}
    """Where the config's values are from, by dotted key (see settings); one that isn't here is a default."""
    generations: dict[str, str] = {}
    """Which generation of its captions counts, by job (see generations)."""
    put_aside: dict[str, str] = {}
    """A digest of the journals of each generation that counts no more, by ``<job>/<generation>``."""
    checks: dict[str, str] = {}
    """Which checks of its captions count, by job (see checks)."""
    checked: dict[str, JobChecks] = {}
    """What came of those when they were last asked for, by job."""
    checks_left: dict[str, AnswersLeft] = {}
    """How much there was of those when they were last asked for, by job."""
    stages: dict[str, StageState] = {}


def export_stage(name: str) -> StageName:
    """The stage of the export called ``name``, that of `triptych run` where it is empty. Raises UsageError
    for a name that can't be a folder's."""
    if not name:
        return "export"
    if not _EXPORT_NAME.fullmatch(name):
        raise UsageError(f"export name {name!r}: expected letters, digits, - and _, such as llava")
    return f"exports/{name}"


def written_by(stage: StageName) -> tuple[str, ...]:
    """The files and folders that ``stage`` writes, below the run folder."""
    return WRITTEN_BY.get(stage, (stage,))
