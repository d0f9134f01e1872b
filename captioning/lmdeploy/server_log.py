"""The log of one server that Triptych starts: a file of bounded size, and those of the starts before.

Comes in: a path, ``RUN/logs/lmdeploy-0.log``. Goes out: a file to write to; the last words of it. The logs
of the last starts are kept beside it: ``lmdeploy-0.1.log`` is the one before. Not its job: reading sense
into them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

KEPT_STARTS = 3
"""Logs of earlier starts that stay."""

MAX_BYTES = 32 * 1024 * 1024
"""A log that has grown beyond becomes that of an earlier start, and begins anew: a server runs for days."""

_TAIL_BYTES = 16 * 1024
_SHOWN = 600


class ServerLog:
    """One server's log file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> BinaryIO:
        """An empty file to append to; the log that was there moves on, the oldest goes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._move_on()
        if self.path.exists():
            self.path.replace(self._earlier(1))
        return self.path.open("ab")

    def limit_size(self) -> None:
        """Set what there is aside where it has grown too large. Whoever appends goes on undisturbed."""
        if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
            self._move_on()
            shutil.copyfile(self.path, self._earlier(1))
            os.truncate(self.path, 0)

    def last_words(self) -> str:
        """Its last lines as one, at most a few hundred characters; empty where nothing was said."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        words = " | ".join(" ".join(line.split()) for line in lines[-8:] if line.strip())
        return words if len(words) <= _SHOWN else "..." + words[-_SHOWN:]

    def _move_on(self) -> None:
        for number in range(KEPT_STARTS - 1, 0, -1):
            if self._earlier(number).exists():
                self._earlier(number).replace(self._earlier(number + 1))

    def _earlier(self, number: int) -> Path:
        return self.path.with_suffix(f".{number}.log")
