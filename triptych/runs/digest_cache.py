"""Digests of unchanged files, remembered between commands.

Comes in: files, and how to digest them. Goes out: the digest, computed only where a file was added,
removed or touched since it was last computed. Kept in ``RUN/.digests.json``; removing it costs time,
nothing else. `triptych verify` doesn't use it: it reads everything.

A file counts as untouched when size, modification time, change time and inode are the same. The change
time can't be set by a user, so a file put back with its old modification time is seen. A digest is not
remembered while any of its files is younger than MIN_AGE_S by the file system's own clock: such a file
could be changed again without any of the four showing it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.runs.jsonl import read_json, write_sealed

MIN_AGE_S = 2.0
"""The coarsest time stamp of a common file system (FAT, exFAT)."""

_FILE_NAME = ".digests.json"


class _Entry(msgspec.Struct, frozen=True):
    """A digest, and what the files looked like when it was computed."""

    signature: str
    digest: str


class _Memory(msgspec.Struct, frozen=True):
    """The content of the file."""

    digests: dict[str, _Entry] = {}


def remembered_digest(
    root: Path, what: str, paths: Iterable[Path], besides: str, compute: Callable[[], str]
) -> str:
    """What ``compute`` returns for ``paths`` below ``root``, from memory where nothing has changed.

    ``what`` names the digest; ``besides`` is everything that it depends on besides the files.
    """
    listed = sorted(paths)
    signature, newest_ns = signature_of(root, listed, besides)
    entries = _read(root / _FILE_NAME)
    known = entries.get(what)
    if known is not None and known.signature == signature:
        return known.digest
    try:
        old_enough = newest_ns + MIN_AGE_S * 1e9 < _now_ns(root)
    except OSError:  # a folder that can't be written
        return compute()
    digest = compute()
    if old_enough and signature_of(root, listed, besides)[0] == signature:
        with contextlib.suppress(OSError):  # another process may write it just now
            write_sealed(root / _FILE_NAME, _Memory(entries | {what: _Entry(signature, digest)}))
    return digest


def signature_of(root: Path, paths: list[Path], besides: str) -> tuple[str, int]:
    """A hash of what the files look like from outside, and the newest of their times."""
    digest = hashlib.sha256(besides.encode())
    newest_ns = 0
    for path in paths:
        looks = looks_of(path)
        newest_ns = max(newest_ns, *looks[1:3])
        digest.update(f"{path.relative_to(root).as_posix()}\0{looks}\n".encode())
    return digest.hexdigest(), newest_ns


def looks_of(path: Path) -> tuple[int, int, int, int, int]:
    """What changes when a file does: size, times of change (of its bytes, of anything), inode, device."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def _read(path: Path) -> dict[str, _Entry]:
    """What is remembered; nothing where the file is missing or damaged."""
    try:
        return read_json(path, _Memory, "it is forgotten", is_sealed=True).digests
    except (FileNotFoundError, SetupError):
        return {}


def _now_ns(root: Path) -> int:
    """The time by the clock that stamps the files of ``root``, which may be another machine's."""
    with tempfile.TemporaryFile(dir=root) as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_mtime_ns
