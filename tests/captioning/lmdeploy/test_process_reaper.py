"""The process reaper: a command ends with its parent, whatever it does and however the parent ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE_S, is_alive, until
from triptych.captioning.lmdeploy import process_reaper

STUBBORN = (
    "trap '' TERM; echo $$ > {0}/server; setsid sleep 300 & echo $! > {0}/daemon; while :; do sleep 1; done"
)
"""A shell that ignores SIGTERM, with a child in a session of its own."""


def reaped(parent_pid: int, grace_s: float, script: str) -> list[str]:
    """The command line of a shell script under the reaper."""
    return [
        sys.executable,
        "-I",
        str(process_reaper.__file__),
        str(parent_pid),
        str(grace_s),
        "sh",
        "-c",
        script,
    ]


def pids(folder: Path) -> list[int]:
    """The process ids of the script and its daemon, once both are written."""
    files = [folder / "server", folder / "daemon"]
    assert until(lambda: all(file.exists() and file.read_text().strip() for file in files))
    return [int(file.read_text()) for file in files]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stubborn_command_ends_with_all_its_processes(tmp_path: Path, how: signal.Signals) -> None:
    """SIGTERM: after the grace period; SIGQUIT: at once. Even a process in a session of its own ends."""
    reaper = subprocess.Popen(reaped(os.getpid(), 0.2, STUBBORN.format(tmp_path)))
    started = pids(tmp_path)

    reaper.send_signal(how)

    assert 128 + signal.SIGKILL == reaper.wait(PATIENCE_S)
    assert [False, False] == [is_alive(pid) for pid in started]


def test_a_stopped_command_ends_too(tmp_path: Path) -> None:
    """SIGSTOP keeps a process from ending by itself, not from being killed."""
    reaper = subprocess.Popen(reaped(os.getpid(), 0.2, STUBBORN.format(tmp_path)))
    started = pids(tmp_path)
    os.kill(started[0], signal.SIGSTOP)

    reaper.terminate()

    assert 128 + signal.SIGKILL == reaper.wait(PATIENCE_S)
    assert [False, False] == [is_alive(pid) for pid in started]


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    """By SIGKILL, which no parent can prepare for."""
    script = STUBBORN.format(tmp_path)
    start = (
        f"import os, subprocess; subprocess.Popen({reaped(0, 5, script)!r}[:3] + [str(os.getpid())] + "
        f"{reaped(0, 5, script)!r}[4:]).wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", start])
    started = pids(tmp_path)

    parent.kill()
    parent.wait()

    assert until(lambda: not any(is_alive(pid) for pid in started))


def test_the_command_ends_when_the_reaper_is_killed(tmp_path: Path) -> None:
    """The kernel kills it, because the reaper has requested that."""
    reaper = subprocess.Popen(reaped(os.getpid(), 5, STUBBORN.format(tmp_path)))
    server, daemon = pids(tmp_path)

    reaper.kill()
    reaper.wait()

    assert until(lambda: not is_alive(server))
    os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -SEGV $$", 128 + signal.SIGSEGV)])
def test_the_exit_code_is_passed_on(script: str, code: int) -> None:
    """Or 128 plus the number of the signal that ended the command."""
    assert code == subprocess.run(reaped(os.getpid(), 5, script), check=False).returncode
