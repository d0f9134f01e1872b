"""run.json and its copy: what can't be made anew must not hang on one block of a disk.

Comes in: what is to be remembered of a run. Goes out: two files that say the same, each with a checksum; what
they say. Not its job: what is in them (see stages), putting the copy in the place of a damaged run.json (see
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

NAME, COPY_NAME = "run.json", ".run.json.copy"

FORMAT_VERSION = 2
"""Of the run folder's layout. Raise it when an older Triptych could misread what a newer one wrote."""


class _Header(msgspec.Struct):
    format_version: int
    crc32: str | None = None


def is_run_folder(path: Path) -> bool:
    """Whether a run was begun in ``path``."""
    return (path / NAME).exists() or (path / COPY_NAME).exists()


def write_run_file(path: Path, content: msgspec.Struct) -> None:
    """Write both below the run folder ``path``, one after the other, each whole or not at all."""
    for name in (NAME, COPY_NAME):
        write_sealed(path / name, content)


def read_run_file(path: Path, kind: type[T], name: str = NAME) -> T:
    """What run.json says. Raises SetupError where it is of another version, damaged or gone."""
    file = path / name
    repair = f"`triptych repair {path}` puts its copy in its place"
    try:
        header = read_json(file, _Header, repair)
        # A digit of the version may be what is damaged; before format 2 there was no checksum.
        is_believed = header.crc32 is None or is_intact(file.read_bytes())
        if is_believed and header.format_version != FORMAT_VERSION:
            raise SetupError(
                f"{path} has run format {header.format_version}, this Triptych reads format {FORMAT_VERSION};"
                " use the Triptych that made it, or another --out",
                path=path,
            )
        return read_json(file, kind, repair, is_sealed=True)
    except FileNotFoundError:
        if not is_run_folder(path):
            raise SetupError(
                f"{path} is not a run folder: no {NAME} in it; `triptych run` makes one", path=path
            ) from None
        raise SetupError(f"{file} is not there any more; {repair}", path=file) from None
