"""Runs a command that ends with its parent process, and all of whose child processes end with it.

    python -I process_reaper.py PARENT_PID GRACE_S COMMAND...

Comes in: a command, and signals. SIGTERM terminates the command, and kills it after GRACE_S; SIGQUIT kills it
at once, and so does the end of the process PARENT_PID. Goes out: the command's exit code, or 128 plus the
number of the signal that ended it; none of its processes is left. It is a program of its own, since a process
that is killed can't clean up, and uses the standard library alone. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOOK_EVERY_S = 0.25
"""How soon a parent's death is noticed. Looking costs microseconds."""

_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT}
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(parent_pid: int, grace_s: float, command: list[str]) -> int:
    """Run ``command`` to its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphaned processes of the command become this process's children instead of init's.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=in_child)
    try:
        return _watch(child, parent_pid, grace_s)
    finally:
        _kill_all(child)


def _watch(child: subprocess.Popen[bytes], parent_pid: int, grace_s: float) -> int:
    kill_at = float("inf")
    while (code := child.poll()) is None:
        if os.getppid() != parent_pid or time.monotonic() > kill_at:
            return 128 + signal.SIGKILL
        received = signal.sigtimedwait(_SIGNALS, LOOK_EVERY_S)
        if received is not None and received.si_signo == signal.SIGQUIT:
            return 128 + signal.SIGKILL
        if received is not None and received.si_signo == signal.SIGTERM:
            child.terminate()
            kill_at = min(kill_at, time.monotonic() + grace_s)
    return code if code >= 0 else 128 - code


def _kill_all(child: subprocess.Popen[bytes]) -> None:
    """Kill the command's process group, and then orphans as they arrive here, until none is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    while children := list(_children()):
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> Iterator[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return map(int, listed.split())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
