"""The leash: a command ends with who started it, whatever it does and however that one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from triptych.captioning.lmdeploy import process_reaper as leash

PATIENCE_S = 120.0
"""Much more than anything here takes, a server's start on a busy machine included."""

STUBBORN = (
    "trap '' TERM; echo $$ > {0}/server; setsid sleep 300 & echo $! > {0}/daemon; while :; do sleep 1; done"
)
"""A shell that won't be terminated, with a child in a session of its own."""


def leashed(parent_pid: int, grace_s: float, script: str) -> list[str]:
    """The command line of a leashed shell script."""
    return [sys.executable, "-I", str(leash.__file__), str(parent_pid), str(grace_s), "sh", "-c", script]


def is_alive(pid: int) -> bool:
    """A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool]) -> bool:
    """Whether it came true while one can wait for it."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def pids(folder: Path) -> list[int]:
    """Of the script and its daemon, once both are known."""
    files = [folder / "server", folder / "daemon"]
    assert until(lambda: all(file.exists() and file.read_text().strip() for file in files))
    return [int(file.read_text()) for file in files]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stubborn_command_ends_with_all_its_processes(tmp_path: Path, how: signal.Signals) -> None:
    """SIGTERM: after the grace; SIGQUIT: at once. Also one that went into a session of its own."""
    leash_process = subprocess.Popen(leashed(os.getpid(), 0.2, STUBBORN.format(tmp_path)))
    started = pids(tmp_path)

    leash_process.send_signal(how)

    assert 128 + signal.SIGKILL == leash_process.wait(PATIENCE_S)
    assert [False, False] == [is_alive(pid) for pid in started]


def test_a_stopped_command_ends_too(tmp_path: Path) -> None:
    """SIGSTOP keeps a process from ending by itself, not from being killed."""
    leash_process = subprocess.Popen(leashed(os.getpid(), 0.2, STUBBORN.format(tmp_path)))
    started = pids(tmp_path)
    os.kill(started[0], signal.SIGSTOP)

    leash_process.terminate()

    assert 128 + signal.SIGKILL == leash_process.wait(PATIENCE_S)
    assert [False, False] == [is_alive(pid) for pid in started]


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    """By SIGKILL, which no parent can prepare for."""
    script = STUBBORN.format(tmp_path)
    start = (
        f"import os, subprocess; subprocess.Popen({leashed(0, 5, script)!r}[:3] + [str(os.getpid())] + "
        f"{leashed(0, 5, script)!r}[4:]).wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", start])
    started = pids(tmp_path)

    parent.kill()
    parent.wait()

    assert until(lambda: not any(is_alive(pid) for pid in started))


def test_the_command_ends_when_the_leash_is_killed(tmp_path: Path) -> None:
    """The kernel ends it: the leash asked for that."""
    leash_process = subprocess.Popen(leashed(os.getpid(), 5, STUBBORN.format(tmp_path)))
    server, daemon = pids(tmp_path)

    leash_process.kill()
    leash_process.wait()

    assert until(lambda: not is_alive(server))
    os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -SEGV $$", 128 + signal.SIGSEGV)])
def test_the_exit_code_is_handed_on(script: str, code: int) -> None:
    """128 and the signal's number where one ended it."""
    assert code == subprocess.run(leashed(os.getpid(), 5, script), check=False).returncode
