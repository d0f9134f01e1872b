"""The manifest: what was exported, with checksums, and what it was made of; and what the files are called.

Comes in: the files written, the run's state, the ledger. Goes out: ``manifest.json``, and names as the seed
has them, such as ``internvl_sa1b_caption_11m_single_image_en.jsonl``. Two runs of the same images and
settings have the same bytes, so there is no time in it, no figure that depends on the machine, and of a path
only its last name. Not its job: prose (see card).
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
from triptych.runs.ledger import Ledger
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts
from triptych.runs.stage_record import STAGE_NAMES, JobChecks, Setting

MANIFEST_NAME = "manifest.json"
CARD_NAME = "README.md"


def rows_file_name(prefix: str, label: str, count: int, file_type: str, part: int = 0, parts: int = 1) -> str:
    """Such as ``<prefix>_<count>_<label>.jsonl``, ``count`` being the rows of all parts; for ``label`` see
    ``labels``. Where there are several parts it ends as the Hub names them.

    >>> rows_file_name("x", "single_image_en", 25_000, "tar", 0, 3)
    'x_25k_single_image_en-00000-of-00003.tar'
    """
    of_parts = f"-{part:05d}-of-{parts:05d}" if parts > 1 else ""
    return f"{prefix}_{short_count(count)}_{label}{of_parts}.{file_type}"


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """What the file of each job is named by, by the job's name.

    ``<single|multi>_image_<language>``, as in the seed; the job's name where two of ``jobs`` would be named
    the same.

    >>> short = Job(name="short_en", subject="image", language="en")
    >>> long = Job(name="long_en", subject="image", language="en")
    >>> labels([short, long, Job(name="sets_ja", subject="set", language="ja")])
    {'short_en': 'short_en', 'long_en': 'long_en', 'sets_ja': 'multi_image_ja'}
    """
    found = {job.name: f"{'multi' if job.is_multi else 'single'}_image_{job.language}" for job in jobs}
    times = Counter(found.values())
    found = {name: name if times[label] > 1 else label for name, label in found.items()}
    # A job may have the very name that another is labelled with.
    return found if len(set(found.values())) == len(found) else {name: name for name in found}


def short_count(count: int) -> str:
    """The plain number below 1,000, else whole thousands (``77k``), else whole millions (``11m``).

    Rounded down, so that a name never promises more rows than there are. The manifest has the exact number.

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
    """Whose rows it has; None for a file without rows."""
    rows: int | None = None
    rewritten: int | None = None
    """Captions in it whose text spelled a reserved word (see conversation_text)."""
    image_fields: tuple[str, ...] = ()
    """Of a tar: what readers call the images of its samples, such as jpg, 0.jpg."""


class JobEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the captions of a job are of, the code of the language that they are in, and what they answer."""

    subject: Subject
    language: str
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
    """By name, all but the manifest itself."""
    jobs: dict[str, JobEntry]
    funnel: Funnel
    checks: dict[str, JobChecks] = {}
    """What a second model said of the captions of each job that was checked."""
    versions: dict[str, str]
    stages: dict[str, Fingerprint]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder. Raises SetupError where there is none, or it is damaged."""
    path = folder / MANIFEST_NAME
    try:
        return read_json(path, Manifest, "`triptych repair` sets it aside, so that it is made again")
    except FileNotFoundError:
        raise SetupError(
            f"{path} is not there: nothing was exported, or it was removed; run `triptych export` first"
        ) from None


def funnel_of(ledger: Ledger) -> Funnel:
    """What of the ledger goes into the manifest and the card."""
    return Funnel(images=ledger.images, jobs=ledger.jobs)


def fingerprints(run: RunFolder) -> dict[str, Fingerprint]:
    """Every stage's settings and inputs, in the order of stages, paths shortened to their last name; as
    ``export`` those of the export that ``run`` looks at."""
    of_run = {**{name: name for name in STAGE_NAMES}, "export": run.export_stage}
    return {
        name: Fingerprint(settings=shortened(state.settings), inputs=dict(state.inputs))
        for name, stage in of_run.items()
        if (state := run.run_file.stages.get(stage)) is not None
    }


def shortened(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """``settings`` with the absolute paths in them cut down to their last name.

    Where a model or an image lies on this machine is nobody's business and differs from run to run.
    """
    return {key: _shortened(value) for key, value in settings.items()}


def _shortened(value: Setting) -> Setting:
    if isinstance(value, str) and value.startswith("/"):
        return value.rstrip("/").rpartition("/")[2]
    return value
