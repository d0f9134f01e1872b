"""Kills a whole run with SIGKILL at seeded moments; digests of its export show whether it resumed correctly.

Comes in: a folder of images. Goes out: killed processes, digests of exports. Moments are drawn over the bytes
that a run writes, so that every stage is hit on any machine. The whole process group is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.005


def triptych_run(images: Path, out: Path, extra: Sequence[str] = ()) -> list[str]:
    """The command under test."""
    return [
        sys.executable,
        "-m",
        "triptych",
        "run",
        str(images),
        "--preset",
        "demo",
        "--out",
        str(out),
        *extra,
    ]


def run_undisturbed(command: Sequence[str]) -> None:
    """Run to the end. If it fails, its stderr is printed, and CalledProcessError is raised."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start ``command``, in a session of its own."""
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def run_and_kill(
    command: Sequence[str], out: Path, at_bytes: int, more_s: float, start: Callable[..., Any] = started
) -> bool:
    """Run, and kill it ``more_s`` seconds after ``out`` has ``at_bytes`` bytes. False if it ended before."""
    process = start(command)
    while process.poll() is None:
        if bytes_in(out) >= at_bytes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(more_s)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
            break
        time.sleep(POLL_S)
    return False


def bytes_in(folder: Path) -> int:
    """The total size of all files below ``folder``, to which other processes may be writing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(root, name).stat().st_size
    return total


def moments(seed: int, count: int, total_bytes: int) -> list[tuple[int, float]]:
    """``(bytes written, seconds after that)`` of each kill, ascending. The first is at 0 bytes."""
    rng = random.Random(seed)
    points = sorted(rng.randrange(total_bytes) for _ in range(count - 1))
    return [(point, rng.uniform(0, 0.3)) for point in (0, *points)]


def export_digests(out: Path) -> dict[str, str]:
    """The SHA-256 of every exported file, by name."""
    folder = out / "export"
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
