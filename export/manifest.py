"""The manifest of an export, with checksums and the state of the run, and the names of the files.

Comes in: the files written, the run's state, the ledger. Goes out: ``manifest.json``, and names in the seed's
style, such as ``internvl_sa1b_caption_11m_single_image_en.jsonl``. Two runs of the same images and settings
give the same bytes, so the manifest has no times, no figures that depend on the machine, and only the last
part of paths. Not its job: prose (see card).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.jobs import Job, Subject
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_json
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts
from triptych.runs.stage_record import STAGE_NAMES, JobChecks, Setting

MANIFEST_NAME = "manifest.json"
CARD_NAME = "README.md"


def rows_file_name(prefix: str, label: str, count: int, file_type: str, part: int = 0, parts: int = 1) -> str:
    """The name of a file of rows. ``count`` is the number of rows in all parts; for ``label`` see ``labels``.
    Several parts are numbered as on the Hub.

    >>> rows_file_name("x", "single_image_en", 25_000, "tar", 0, 3)
    'x_25k_single_image_en-00000-of-00003.tar'
    """
    of_parts = f"-{part:05d}-of-{parts:05d}" if parts > 1 else ""
    return f"{prefix}_{short_count(count)}_{label}{of_parts}.{file_type}"


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """The label of each job in file names, by the job's name.

    ``<single|multi>_image_<language>``, as in the seed; the job's name where two jobs would have the same.

    >>> short = Job(name="short_en", subject="image", language="en")
    >>> long = Job(name="long_en", subject="image", language="en")
    >>> labels([short, long, Job(name="sets_ja", subject="set", language="ja")])
    {'short_en': 'short_en', 'long_en': 'long_en', 'sets_ja': 'multi_image_ja'}
    """
    found = {job.name: f"{'multi' if job.is_multi else 'single'}_image_{job.language}" for job in jobs}
    times = Counter(found.values())
    found = {name: name if times[label] > 1 else label for name, label in found.items()}
    # One job's name may equal another's label.
    return found if len(set(found.values())) == len(found) else {name: name for name in found}


def short_count(count: int) -> str:
    """A count in file names: ``999``, ``77k`` or ``11m``.

    Rounded down, so that a name never promises too many rows. The manifest has the exact number.

    >>> short_count(11_185_362), short_count(1_999)
    ('11m', '1k')
    """
    if count < 1_000:
        return str(count)
    if count < 1_000_000:
        return f"{count // 1_000}k"
    return f"{count // 1_000_000}m"


MANIFEST_VERSION = 3


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file of the export folder."""

    sha256: str
    size_bytes: int
    job: str | None = None
    """The job of its rows; None for a file without rows."""
    rows: int | None = None
    rewritten: int | None = None
    """Captions in it whose text contained a reserved word (see conversation_text)."""
    image_fields: tuple[str, ...] = ()
    """In a tar: the extensions of image files in its samples, such as jpg, 0.jpg."""


class JobEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job of the export."""

    subject: Subject
    language: str
    """Its code."""
    prompt: str


class Funnel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger's counts."""

    images: ImageCounts
    jobs: dict[str, JobCounts]


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stage's resolved settings and the digests of what it read."""

    settings: dict[str, Setting]
    inputs: dict[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of manifest.json."""

    manifest_version: int = MANIFEST_VERSION
    row_format: str
    file_type: str
    files: dict[str, FileEntry]
    """All files but the manifest, by name."""
    jobs: dict[str, JobEntry]
    funnel: Funnel
    checks: dict[str, JobChecks] = {}
    """A second model's verdicts on captions, by job, for those that were checked."""
    versions: dict[str, str]
    stages: dict[str, Fingerprint]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder. Raises SetupError where there is none, or it is damaged."""
    path = folder / MANIFEST_NAME
    try:
        return read_json(path, Manifest, "`triptych repair` sets it aside, so that it is made again")
    except FileNotFoundError:
        raise SetupError(
            f"{path} is missing: nothing was exported, or it was removed; run `triptych export` first"
        ) from None


def fingerprints(run: RunFolder) -> dict[str, Fingerprint]:
    """Every stage's settings and inputs, in the order of stages, with shortened paths. ``export`` is the
    export that ``run`` has selected."""
    of_run = {**{name: name for name in STAGE_NAMES}, "export": run.export_stage}
    return {
        name: Fingerprint(settings=shortened(state.settings), inputs=dict(state.inputs))
        for name, stage in of_run.items()
        if (state := run.run_file.stages.get(stage)) is not None
    }


def shortened(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """``settings`` with absolute paths cut to their last part: where files are on this machine is private,
    and differs from run to run."""
    return {key: _shortened(value) for key, value in settings.items()}


def _shortened(value: Setting) -> Setting:
    if isinstance(value, str) and value.startswith("/"):
        return value.rstrip("/").rpartition("/")[2]
    return value
