"""Runs a command of Triptych in a process that has already imported torch and the like, which takes seconds.

Comes in: the command. Goes out: its process, in a session of its own, with pid, poll and wait as in
subprocess.Popen. It is forked from a process that has only imported modules, and that ends with this one.
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
    """A running command. Its output is discarded."""

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
        """The exit code. Raises TimeoutExpired."""
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
