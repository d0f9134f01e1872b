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
from triptych.export.file_names import MANIFEST_NAME
from triptych.jobs import Subject
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import Ledger
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts
from triptych.runs.stages import STAGE_NAMES, Setting

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
    versions: dict[str, str]
    stages: dict[str, Fingerprint]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder. Raises SetupError where there is none, or it is damaged."""
    path = folder / MANIFEST_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise SetupError(
            f"{path} is not there: nothing was exported, or it was removed; run `triptych export` first"
        ) from None
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
