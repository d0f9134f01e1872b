"""A lock that lets one process at a time write to a run folder.

It is an advisory kernel lock (flock) on ``.lock``, so it ends with the process that holds it, however that
ended, and the next process takes over the file. The file's content only names the owner.
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
    """The process that holds a run folder."""

    pid: int
    host: str
    since: str


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder`` inside the block. Raises SetupError if another process has it."""
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
    """Open the lock file. Raises SetupError if it is a link or no regular file, since it will be emptied."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    except OSError:
        if path.is_symlink() or path.is_dir():
            raise _not_a_lock(path) from None
        raise
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        file.close()
        raise _not_a_lock(path)
    return file


def _not_a_lock(path: Path) -> SetupError:
    return SetupError(
        f"{path} is a link or not a file; expected the run's own lock file: remove it", path=path
    )


def _describe(content: bytes) -> str:
    try:
        owner = msgspec.json.decode(content, type=LockOwner)
    except UNDECODABLE:
        return "another process"
    return f"process {owner.pid} on {owner.host} since {owner.since}"
