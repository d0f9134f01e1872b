"""The manifest: what was exported, with checksums, and what it was made of.

Comes in: the files written, the run's state, the ledger. Goes out: ``manifest.json``. Two runs of the
same images and settings have the same bytes, so there is no time in it, no figure that depends on
the machine, and of a path only its last name. Not its job: prose (see card).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.export.config import FileType, FormatName
from triptych.export.file_names import MANIFEST_NAME
from triptych.records import JobName
from triptych.runs.folder import STAGE_NAMES, RunFolder, Setting
from triptych.runs.ledger import Ledger
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts

MANIFEST_VERSION = 2


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file of the export folder."""

    sha256: str
    size_bytes: int
    job: JobName | None = None
    """Whose rows it has; None for a file without rows."""
    rows: int | None = None
    rewritten: int | None = None
    """Captions in it whose text spelled a reserved tag (see wording.without_tags)."""


class Funnel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger's counts."""

    images: ImageCounts
    jobs: dict[JobName, JobCounts]


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stage's resolved settings and the digests of what it read."""

    settings: dict[str, Setting]
    inputs: dict[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of manifest.json."""

    manifest_version: int = MANIFEST_VERSION
    row_format: FormatName
    file_type: FileType
    files: dict[str, FileEntry]
    """By name, all but the manifest itself."""
    prompts: dict[JobName, str]
    funnel: Funnel
    versions: dict[str, str]
    stages: dict[str, Fingerprint]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder. Raises SetupError where there is none, or it is damaged."""
    path = folder / MANIFEST_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise SetupError(f"{path} is not there: nothing was exported; run `triptych export` first") from None
    except msgspec.MsgspecError as error:
        raise SetupError(f"{path} is not a manifest ({error}); export again") from None


def funnel_of(ledger: Ledger) -> Funnel:
    """What of the ledger goes into the manifest and the card."""
    return Funnel(images=ledger.images, jobs=ledger.jobs)


def fingerprints(run: RunFolder) -> dict[str, Fingerprint]:
    """Every stage's settings and inputs, in the order of stages, paths shortened to their last name."""
    return {
        name: Fingerprint(settings=shortened(state.settings), inputs=dict(state.inputs))
        for name in STAGE_NAMES
        if (state := run.run_file.stages.get(name)) is not None
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
