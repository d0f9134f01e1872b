"""A cache of file digests that lasts between commands.

Comes in: files, and a function that digests them. Goes out: the digest, computed only if a file was added,
removed or touched since the last time. Stored in ``RUN/.digests.json``; removing it only costs time.
`triptych verify` doesn't use it: it reads everything.

A file counts as untouched if its size, modification time, change time, inode and device are the same. Users
can't set the change time, so a file that is restored with its old modification time is noticed. A digest is
not stored while any of its files is younger than MIN_AGE_S by the file system's own clock: such a file could
change again without a visible difference.
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
    """A digest, and the signature of the files when it was computed."""

    signature: str
    digest: str


class _Cache(msgspec.Struct, frozen=True):
    """The content of the cache file."""

    digests: dict[str, _Entry] = {}


def remembered_digest(
    root: Path, what: str, paths: Iterable[Path], besides: str, compute: Callable[[], str]
) -> str:
    """The digest that ``compute`` returns for ``paths`` below ``root``, cached while they are unchanged.

    ``what`` names the digest; ``besides`` is everything else that it depends on.
    """
    listed = sorted(paths)
    signature, newest_ns = signature_of(root, listed, besides)
    entries = _read(root / _FILE_NAME)
    known = entries.get(what)
    if known is not None and known.signature == signature:
        return known.digest
    try:
        old_enough = newest_ns + MIN_AGE_S * 1e9 < _now_ns(root)
    except OSError:  # a read-only folder
        return compute()
    digest = compute()
    if old_enough and signature_of(root, listed, besides)[0] == signature:
        with contextlib.suppress(OSError):  # another process may be writing it
            write_sealed(root / _FILE_NAME, _Cache(entries | {what: _Entry(signature, digest)}))
    return digest


def signature_of(root: Path, paths: list[Path], besides: str) -> tuple[str, int]:
    """A hash of the file system's data on the files, and the newest of their times."""
    digest = hashlib.sha256(besides.encode())
    newest_ns = 0
    for path in paths:
        stat = stat_of(path)
        newest_ns = max(newest_ns, *stat[1:3])
        digest.update(f"{path.relative_to(root).as_posix()}\0{stat}\n".encode())
    return digest.hexdigest(), newest_ns


def stat_of(path: Path) -> tuple[int, int, int, int, int]:
    """What shows that a file has changed: size, modification time, change time, inode, device."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def _read(path: Path) -> dict[str, _Entry]:
    """The cached digests; none if the file is missing or damaged."""
    try:
        return read_json(path, _Cache, "it is ignored", is_sealed=True).digests
    except (FileNotFoundError, SetupError):
        return {}


def _now_ns(root: Path) -> int:
    """The current time of the clock that stamps files in ``root``, which may be another machine's."""
    with tempfile.TemporaryFile(dir=root) as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_mtime_ns
