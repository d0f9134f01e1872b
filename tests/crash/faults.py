"""What can go wrong at a change while the command runs: it is killed, the disk is full, the disk fails once.

Comes in: the number of a change. Goes out: a Fault for a Watch, which notes in a file that it has struck.
Not its job: crashes that can be replayed from changes (see disk).
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

    def meets(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number == self._number:
            self._struck.touch()
            self.strike(change)
        return None

    def strike(self, change: Change) -> None:
        """Once."""
        os.kill(os.getpid(), signal.SIGKILL)


class FailsOnce(KilledAt):
    """Change ``number`` fails with EIO; everything after it goes well."""

    def strike(self, change: Change) -> None:
        """See KilledAt."""
        raise _error(errno.EIO, change)


class ShortWrite(Fault):
    """Change ``number``, a write, takes a part and says so."""

    def __init__(self, number: int, struck: Path) -> None:
        self._number, self._struck = number, struck

    def meets(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number != self._number or write is None or len(change.data) < 2:
            return None
        self._struck.touch()
        return write(change.data[: len(change.data) // 2])


class FullDisk(Fault):
    """From change ``number`` on there is no room: a write takes a part, then none."""

    def __init__(self, number: int, struck: Path) -> None:
        self._number, self._struck = number, struck
        self._takes_a_part = True

    def meets(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """See Fault."""
        if number < self._number or not (change.kind in ("write", "mkdir", "allocate") or change.is_new):
            return None
        self._struck.touch()
        if write is not None and self._takes_a_part and len(change.data) > 1:
            self._takes_a_part = False
            return write(change.data[: len(change.data) // 2])
        raise _error(errno.ENOSPC, change)


def _error(number: int, change: Change) -> OSError:
    """As the system raises it: of what goes through a descriptor it knows no name."""
    if change.kind in ("write", "sync", "sync folder", "truncate", "allocate"):
        return OSError(number, os.strerror(number))
    return OSError(number, os.strerror(number), change.path)
