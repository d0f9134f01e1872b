"""run.json and what else lies there twice: what can't be made anew must not hang on one block of a disk.

Comes in: a document. Goes out: two files that say the same, each with a checksum; what they say. Not its job:
what is in them (see stages, generations), putting a copy in the place of what is damaged (see
triptych.repair).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.runs.checksums import is_intact
from triptych.runs.jsonl import read_json, write_sealed

T = TypeVar("T")

NAME = "run.json"

FORMAT_VERSION = 2
"""Of the run folder's layout. Raise it when an older Triptych could misread what a newer one wrote."""


class _Header(msgspec.Struct):
    format_version: int
    crc32: str | None = None


def copy_of(path: Path) -> Path:
    """Where the copy of ``path`` lies."""
    return path.with_name(f".{path.name}.copy")


def write_twice(path: Path, content: msgspec.Struct) -> None:
    """Write the copy of ``path`` and then ``path``, each whole or not at all.

    In this order a crash between them leaves work to do, which writes both again.
    """
    for file in (copy_of(path), path):
        write_sealed(file, content)


def read_twice_written(file: Path, kind: type[T], folder: Path) -> T:
    """One of the two. Raises SetupError where it is damaged or gone. ``folder`` is the run's."""
    repair = f"`triptych repair {folder}` puts its copy in its place"
    try:
        return read_json(file, kind, repair, is_sealed=True)
    except (FileNotFoundError, IsADirectoryError):
        raise SetupError(f"{file} is not there any more; {repair}", path=file) from None


def is_run_folder(path: Path) -> bool:
    """Whether a run was begun in ``path``."""
    return (path / NAME).exists() or copy_of(path / NAME).exists()


def read_run_file(path: Path, kind: type[T], file: Path | None = None) -> T:
    """What run.json of the run folder ``path`` says, or its copy, where that is named as ``file``.

    Raises SetupError where there is no run, it is of another version, or the file is damaged or gone.
    """
    if not path.exists():
        raise SetupError(f"{path}: no such file or run folder; `triptych run` makes a run folder", path=path)
    if not is_run_folder(path):
        raise SetupError(f"{path} is not a run folder: no {NAME} in it; `triptych run` makes one", path=path)
    file = file or path / NAME
    version = _version(file)
    if version is not None and version != FORMAT_VERSION:
        raise SetupError(
            f"{path} has run format {version}, this Triptych reads format {FORMAT_VERSION};"
            " use the Triptych that made it, or another --out",
            path=path,
        )
    return read_twice_written(file, kind, path)


def _version(file: Path) -> int | None:
    """Of the run's format; None where it can't be told: one of its digits may be what is damaged."""
    try:
        header = read_json(file, _Header, "")
    except (FileNotFoundError, IsADirectoryError, SetupError):
        return None
    is_believed = header.crc32 is None or is_intact(
        file.read_bytes()
    )  # before format 2 there was no checksum
    return header.format_version if is_believed else None
