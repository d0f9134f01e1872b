"""The content of run.json: records of a run and its stages, and the versions and models that are in them.

Not its job: changing them (see stages), writing run.json (see run_file).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import msgspec

from triptych.errors import UsageError
from triptych.runs.run_file import FORMAT_VERSION

StageName = str
"""One of STAGE_NAMES, or ``exports/NAME`` for an export with a name of its own."""
STAGE_NAMES: tuple[StageName, ...] = ("embeddings", "sets", "captions", "verdicts", "export")

WRITTEN_BY: dict[StageName, tuple[str, ...]] = {
    "embeddings": ("sources.jsonl", "images", "embeddings"),
    "sets": ("sets.jsonl", "duplicates.jsonl", "screened.jsonl", "screen_scores.jsonl"),
    "captions": (),
    "verdicts": ("verdicts",),
    "export": ("export",),
}
"""The files that are counted and hashed when a stage finishes. Lines of captions have their own checksums."""


def is_export(stage: StageName) -> bool:
    """Whether ``stage`` is an export, with or without a name of its own."""
    return stage.startswith("export")


def with_verb(stage: StageName, verb: str) -> str:
    """The stage's name and ``verb`` ("are" or "were"), in the singular for an export.

    >>> with_verb("sets", "are"), with_verb("exports/lf", "were")
    ('sets are', 'exports/lf was')
    """
    singular = {"are": "is", "were": "was"}
    return f"{stage} {singular[verb] if is_export(stage) else verb}"


_EXPORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Setting = str | int | float | bool | None


class Extent(msgspec.Struct, frozen=True):
    """How many files there are, and their total size."""

    files: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} files of {self.size_bytes:,} bytes"


class Loss(NamedTuple):
    """Files of a finished stage that were removed, cut short or edited."""

    stage: StageName
    was: Extent
    now: Extent

    def __str__(self) -> str:
        return f"{self.stage}: {self.now} are there, {self.was} when it had finished"


class CaptionsMark(msgspec.Struct, frozen=True):
    """Identifies the captions of a job without reading them: it changes when they do."""

    generation: str
    limit: Setting
    planned_of: str
    """A digest of the files that decide what is captioned."""
    size_bytes: int
    """Total size of the journals, which only grow."""


class StageState(msgspec.Struct, kw_only=True):
    """A stage's fingerprint and progress.

    ``settings`` are its own config, flattened, and its code's data version: when they change, the
    user decides. ``inputs`` are digests of what it reads: when only they change, it runs again.
    """

    settings: dict[str, Setting]
    inputs: dict[str, str] = {}
    finished: bool = False
    fresh: bool = False
    """Whether it was begun by ``--fresh`` and hasn't finished: the same command resumes it."""
    notes: dict[str, Setting] = {}
    """Figures of the stage: how long it took, what it chose."""
    left: Extent | None = None
    """Number and size of its files when it finished; None before that."""
    made_of: dict[str, CaptionsMark] = {}
    """For verdicts and exports: the captions they were made of, by job."""
    wrote: dict[str, str] = {}
    """The SHA-256 of each file it wrote, by its path below the run folder. Of an unfinished export, these are
    its own files and those that it replaces."""


class JobChecks(msgspec.Struct, kw_only=True):
    """The outcome of a job's checks (see captioning.checking)."""

    captions: int = 0
    """Captions to check."""
    statements: int = 0
    """Questions to ask: one per statement and image."""
    missing: int = 0
    """Questions without an answer so far."""
    answers: dict[str, int] = {}
    """How many answers were yes, no and unclear, about the image that a statement describes."""
    denied: int = 0
    """Captions with a denied statement."""
    swapped: int = 0
    """Statements that are true of their image of a set, and were asked about another image of it as well."""
    hold_elsewhere: int = 0
    """Those of them that are true of the other image, too."""
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
    """Where the config's values come from, by dotted key (see settings); a missing key is a default."""
    generations: dict[str, str] = {}
    """The current generation of captions, by job (see generations)."""
    put_aside: dict[str, str] = {}
    """A digest of the journals of each superseded generation, by ``<job>/<generation>``."""
    checks: dict[str, str] = {}
    """The current checker, by job (see checks)."""
    checked: dict[str, JobChecks] = {}
    """The outcome of its checks after the last `triptych check`, by job."""
    answers_left: dict[str, dict[str, int]] = {}
    """The size of each journal of its answers then, by job. Journals only grow."""
    stages: dict[str, StageState] = {}


def export_stage(name: str) -> StageName:
    """The stage of the export ``name``; the run's own export if it is empty. Raises UsageError for a name
    that can't be a folder's."""
    if not name:
        return "export"
    if not _EXPORT_NAME.fullmatch(name):
        raise UsageError(f"export name {name!r}: expected letters, digits, - and _, such as llava")
    return f"exports/{name}"


def written_by(stage: StageName) -> tuple[str, ...]:
    """The files and folders that ``stage`` writes, as paths below the run folder."""
    return WRITTEN_BY.get(stage, (stage,))


_MODEL_SETTING = re.compile(r"(?:served_model|model)(?:_|$)")
"""A setting that names a model: of all jobs, or of one job, whose name follows."""


def captioners(settings: Mapping[str, Setting]) -> list[str]:
    """The name of each model, once. For a local model, whose setting is path and hash, the folder's name.

    >>> captioners({"model": None, "served_model_single_en": "acme/a", "served_model_single_zh": "acme/b"})
    ['acme/a', 'acme/b']
    """
    found = filter(_MODEL_SETTING.match, settings)
    jobs = dict.fromkeys(key.removeprefix("served_model").removeprefix("model") for key in found)
    names = (_name(settings.get(f"served_model{of}") or settings.get(f"model{of}")) for of in jobs)
    return [name for name in dict.fromkeys(names) if name]


def _name(value: Setting) -> str:
    name = str(value or "").partition(", ")[0]
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name


_RECORDED_VERSIONS = (
    "triptych",
    "lmdeploy",
    "open_clip_torch",
    "faiss-cpu",
    "imagehash",
    "pillow",
    "pyarrow",
    "torch",
    "transformers",
    "rensa",
    "py3langid",
    "opencc",
)


@cache
def installed_versions() -> dict[str, str]:
    """The versions of those packages that are installed, by name."""
    from importlib import metadata  # takes as long to import as all of `--help`

    versions: dict[str, str] = {}
    for name in _RECORDED_VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
