"""run.json and other documents that are stored twice, because nothing could recreate them after a disk error.

Comes in: a document. Goes out: the file and its copy, each with a checksum; the document again. Not its job:
the content (see stages, generations), restoring a damaged file from its copy (see triptych.repair).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.runs.checksums import is_intact
from triptych.runs.jsonl import read_json, write_sealed

T = TypeVar("T")

RUN_FILE_NAME = "run.json"

FORMAT_VERSION = 2
"""Of the run folder's layout. Raise it when an older Triptych could misread what a newer one wrote."""


class _Header(msgspec.Struct):
    format_version: int
    crc32: str | None = None


def copy_of(path: Path) -> Path:
    """The path of the copy of ``path``."""
    return path.with_name(f".{path.name}.copy")


def write_twice(path: Path, content: msgspec.Struct) -> None:
    """Write the copy of ``path`` and then ``path``, each whole or not at all.

    After a crash in between, ``path`` is still the old one, so the work is repeated and both are written.
    """
    for file in (copy_of(path), path):
        write_sealed(file, content)


def read_twice_written(file: Path, kind: type[T], folder: Path) -> T:
    """Read one of the two files of the run ``folder``. Raises SetupError if it is damaged or missing."""
    repair = f"`triptych repair {folder}` restores it from its copy"
    try:
        return read_json(file, kind, repair, is_sealed=True)
    except (FileNotFoundError, IsADirectoryError):
        raise SetupError(f"{file} is missing; {repair}", path=file) from None


def is_run_folder(path: Path) -> bool:
    """Whether a run was begun in ``path``."""
    return (path / RUN_FILE_NAME).exists() or copy_of(path / RUN_FILE_NAME).exists()


def read_run_file(path: Path, kind: type[T], file: Path | None = None) -> T:
    """Read run.json of the run folder ``path``, or ``file``, which may be its copy.

    Raises SetupError if there is no run, its format is another version's, or the file is damaged or missing.
    """
    if not path.exists():
        raise SetupError(f"{path}: no such file or run folder; `triptych run` makes a run folder", path=path)
    if not is_run_folder(path):
        raise SetupError(
            f"{path} is not a run folder: no {RUN_FILE_NAME} in it; `triptych run` makes one", path=path
        )
    file = file or path / RUN_FILE_NAME
    version = _version(file)
    if version is not None and version != FORMAT_VERSION:
        raise SetupError(
            f"{path} has run format {version}, this Triptych reads format {FORMAT_VERSION};"
            " use the Triptych that made it, or another --out",
            path=path,
        )
    return read_twice_written(file, kind, path)


def _version(file: Path) -> int | None:
    """The run's format version; None if it can't be read or the file is damaged."""
    try:
        header = read_json(file, _Header, "")
    except (FileNotFoundError, IsADirectoryError, SetupError):
        return None
    if header.crc32 is None or is_intact(file.read_bytes()):  # before format 2 there was no checksum
        return header.format_version
    return None
