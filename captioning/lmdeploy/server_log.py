"""A server's log file, rotated at each start and when it grows too large.

Comes in: a path, ``RUN/logs/lmdeploy-0.log``. Goes out: a file to write to; its last lines. Earlier logs are
kept beside it: ``lmdeploy-0.1.log`` is the last one before. Not its job: interpreting them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

KEPT_LOGS = 3
"""Earlier logs that stay."""

MAX_BYTES = 32 * 1024 * 1024
"""A larger log is rotated: a server runs for days."""

_TAIL_BYTES = 16 * 1024
_SHOWN = 600


class ServerLog:
    """One server's log file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> BinaryIO:
        """Rotate the logs, and open an empty one for appending."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate_earlier()
        if self.path.exists():
            self.path.replace(self._earlier(1))
        return self.path.open("ab")

    def limit_size(self) -> None:
        """Rotate the log if it is too large. The server keeps appending to the same file."""
        if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
            self._rotate_earlier()
            shutil.copyfile(self.path, self._earlier(1))
            os.truncate(self.path, 0)

    def tail(self) -> str:
        """The last lines in one, at most a few hundred characters; empty for an empty log."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        words = " | ".join(" ".join(line.split()) for line in lines[-8:] if line.strip())
        return words if len(words) <= _SHOWN else "..." + words[-_SHOWN:]

    def _rotate_earlier(self) -> None:
        for number in range(KEPT_LOGS - 1, 0, -1):
            if self._earlier(number).exists():
                self._earlier(number).replace(self._earlier(number + 1))

    def _earlier(self, number: int) -> Path:
        return self.path.with_suffix(f".{number}.log")
