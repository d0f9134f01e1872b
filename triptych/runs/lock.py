"""One process owns a run folder at a time.

The lock is an advisory kernel lock (flock) on ``.lock``, so it ends with its owner, however that
ended: a stale lock file is taken over by the next process. The file's content only names the owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from triptych.errors import SetupError
from triptych.runs.jsonl import UNDECODABLE


class LockOwner(msgspec.Struct, frozen=True):
    """Who holds a run folder."""

    pid: int
    host: str
    since: str


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for the length of the block. Raises SetupError if another process has it."""
    with _opened(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SetupError(
                f"{folder} is in use by {_describe(file.read())};"
                " wait for it, stop it, or name another folder with --out",
                path=folder,
            ) from None
        owner = LockOwner(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        file.truncate(0)
        file.write(msgspec.json.encode(owner))
        file.flush()
        yield
        file.truncate(0)


def _opened(path: Path) -> IO[bytes]:
    """The lock file. Raises SetupError where it is a link or no file: it is emptied, whatever it is."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    except OSError:
        if path.is_symlink() or path.is_dir():
            raise _no_lock(path) from None
        raise
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        file.close()
        raise _no_lock(path)
    return file


def _no_lock(path: Path) -> SetupError:
    return SetupError(f"{path} is a link or no file; expected the run's own lock file: remove it", path=path)


def _describe(content: bytes) -> str:
    try:
        owner = msgspec.json.decode(content, type=LockOwner)
    except UNDECODABLE:
        return "another process"
    return f"process {owner.pid} on {owner.host} since {owner.since}"
