"""Steps that another process or node tries in a folder.

Comes in: a folder for trials. Goes out: what was observed. Steps are pickled by name, so they have to be
importable where they run. Not its job: what the result means for a run (see examine).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from triptych import __version__
from triptych.runs.jsonl import sync_directory, written_whole

NAMES = 200
"""Files that all processes try to create at once."""

READ_FOR_S = 0.5
"""How long a file is read while it is replaced."""

Step = Callable[[Path], Any]


class Node(NamedTuple):
    """A node, its versions and its clock."""

    host: str
    python: str
    triptych: str
    ray: str
    time: float


def tried(step: Step, folder: str) -> tuple[Any, str]:
    """The step's result and error; one of them is empty. The entry point of what runs elsewhere."""
    try:
        return step(Path(folder)), ""
    except OSError as error:
        return None, error.strerror or str(error)


def this_node(_: Path) -> Node:
    """This node."""
    try:
        ray = metadata.version("ray")
    except metadata.PackageNotFoundError:
        ray = ""
    return Node(socket.gethostname(), platform.python_version(), __version__, ray, time.time())


def seen(name: str, within_s: float, trial: Path) -> float | None:
    """After how many seconds a file appears; None if it doesn't within ``within_s``."""
    began = time.monotonic()
    while not (trial / name).is_file():
        if time.monotonic() - began >= within_s:
            return None
        time.sleep(0.05)
    return time.monotonic() - began


def can_lock(trial: Path) -> bool:
    """Whether this process gets the lock."""
    with (trial / "lock").open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        time.sleep(0.05)
        return True


def create_all(trial: Path) -> list[str]:
    """The names that this process created."""
    created = []
    for number in range(NAMES):
        name = f"once-{number}"
        with contextlib.suppress(FileExistsError):
            os.close(os.open(trial / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            created.append(name)
        time.sleep(0.0005)  # so that the processes overlap
    return created


def replace(path: Path, number: int) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(b"%08d" % number * 1024)
    part.replace(path)


def faults_while_replaced(trial: Path) -> str:
    """What a reader sees that it shouldn't; empty if nothing."""
    until = time.monotonic() + READ_FOR_S
    while time.monotonic() < until:
        try:
            content = (trial / "replaced").read_bytes()
        except FileNotFoundError:
            return "saw no file while it was replaced"
        if len(content) != 8192 or content != content[:8] * 1024:
            return f"read {len(content)} of 8,192 bytes, or two versions mixed, while it was replaced"
    return ""


def sync(trial: Path) -> None:
    """Sync a file and its folder."""
    with written_whole(trial / f"synced-{uuid.uuid4().hex}") as file:
        file.write(b"whole")
    sync_directory(trial)
