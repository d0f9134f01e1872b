"""One process owns a run folder at a time.

The lock is an advisory kernel lock (flock) on ``.lock``, so it ends with its owner, however that
ended: a stale lock file is taken over by the next process. The file's content only names the owner.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from triptych.errors import SetupError


class LockOwner(msgspec.Struct, frozen=True):
    """Who holds a run folder."""

    pid: int
    host: str
    since: str


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for the length of the block. Raises SetupError if another process has it."""
    path = folder / ".lock"
    with path.open("a+b") as file:
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


def _describe(content: bytes) -> str:
    try:
        owner = msgspec.json.decode(content, type=LockOwner)
    except msgspec.MsgspecError:
        return "another process"
    return f"process {owner.pid} on {owner.host} since {owner.since}"
