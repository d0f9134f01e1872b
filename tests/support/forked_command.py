"""A command of Triptych whose process finds loaded what it imports: torch and what stands on it take seconds.

Comes in: the command. Goes out: its process, in a session of its own, with what subprocess.Popen has of pid,
poll and wait. It is forked from a process that has imported and run nothing, which ends with this one.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["open_clip", "transformers.models.internvl.modeling_internvl", "triptych.cli"]
)


class ForkedCommand:
    """Started, and quiet."""

    def __init__(self, command: Sequence[str]) -> None:
        arguments = [*command]
        assert [sys.executable, "-m", "triptych"] == arguments[:3], arguments
        self._process = _CONTEXT.Process(target=_run, args=(arguments[2:],))
        self._process.start()
        self.pid: int = self._process.pid or 0
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.001)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        """Raises TimeoutExpired."""
        self._process.join(timeout_s)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("triptych", timeout_s or 0.0)
        return code


def _run(arguments: list[str]) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.argv = arguments
    from triptych.cli import main

    main()
