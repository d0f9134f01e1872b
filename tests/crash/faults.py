"""Faults that occur at a change while the command runs: a kill, a full disk, a single disk error.

Comes in: the number of a change. Goes out: a Fault for a Watch. When it occurs, it creates the file
``struck``. Not its job: crashes that can be replayed from changes (see disk).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.crash.changes import Change, Fault


class KilledAt(Fault):
    """SIGKILL before change ``number``."""

    def __init__(self, number: int, struck: Path) -> None:
        self._number, self._struck = number, struck

    def intercept(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number == self._number:
            self._struck.touch()
            self.strike(change)
        return None

    def strike(self, change: Change) -> None:
        """Kill this process."""
        os.kill(os.getpid(), signal.SIGKILL)


class FailsOnce(KilledAt):
    """Change ``number`` fails with EIO; all later ones succeed."""

    def strike(self, change: Change) -> None:
        """Raise EIO."""
        raise _error(errno.EIO, change)


class ShortWrite(Fault):
    """Change ``number``, a write, writes only half of its bytes, and returns that count."""

    def __init__(self, number: int, struck: Path) -> None:
        self._number, self._struck = number, struck

    def intercept(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number != self._number or write is None or len(change.data) < 2:
            return None
        self._struck.touch()
        return write(change.data[: len(change.data) // 2])


class FullDisk(Fault):
    """From change ``number`` on the disk is full: one more write writes half of its bytes."""

    def __init__(self, number: int, struck: Path) -> None:
        self._number, self._struck = number, struck
        self._allows_half_a_write = True

    def intercept(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number < self._number or not (change.kind in ("write", "mkdir", "allocate") or change.is_new):
            return None
        self._struck.touch()
        if write is not None and self._allows_half_a_write and len(change.data) > 1:
            self._allows_half_a_write = False
            return write(change.data[: len(change.data) // 2])
        raise _error(errno.ENOSPC, change)


def _error(number: int, change: Change) -> OSError:
    """The error as the system raises it: without a path if the call has only a descriptor."""
    if change.kind in ("write", "sync", "sync folder", "truncate", "allocate"):
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), change.path)
