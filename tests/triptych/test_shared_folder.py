"""`triptych doctor FOLDER` finds file systems that are unsuitable for a run. Real ones are mounted for the
tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.triptych.conftest import Command
from triptych.shared_folder import examine, steps
from triptych.shared_folder.examine import Answer, Elsewhere, examine_folder, second_process

CAN_MOUNT = os.geteuid() == 0 and shutil.which("bindfs") is not None and Path("/dev/fuse").exists()
mounts = pytest.mark.skipif(not CAN_MOUNT, reason="needs root, bindfs and /dev/fuse")


@contextlib.contextmanager
def mounted(where: Path, *command: object) -> Iterator[Path]:
    """Mount a file system at ``where`` while the block runs."""
    where.mkdir()
    made = subprocess.run([*map(str, command), str(where)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"can't be mounted here: {made.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def through(elsewhere: Elsewhere, ours: Path, theirs: Path) -> Elsewhere:
    """``elsewhere`` with the folder at another path, like another client of the same file system."""
    return lambda step, folder: elsewhere(step, theirs / folder.relative_to(ours))


def levels(folder: Path, elsewhere: Elsewhere) -> dict[str, tuple[str, str]]:
    """The level and text of each finding, by question."""
    return {each.name: (each.level, each.found) for each in examine_folder(folder, elsewhere)}


@pytest.fixture(scope="module")
def second() -> Iterator[Elsewhere]:
    """A second process."""
    with second_process() as elsewhere:
        yield elsewhere


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time limits in this process. Those of the second process stay."""
    monkeypatch.setattr(examine, "NEVER_SEEN_S", 2.0)
    monkeypatch.setattr(examine, "SEEN_WITHIN_S", 0.5)
    monkeypatch.setattr(examine, "NEEDED_GB", 0.01)


def test_a_local_disk_passes_and_stays_empty(tmp_path: Path, triptych: Command) -> None:
    """Through the command, which prints a line for each question."""
    outcome = triptych("doctor", tmp_path)

    names = [line.split("  ")[1].strip() for line in outcome.stdout.splitlines()]
    assert 0 == outcome.exit_code, outcome.stdout
    for name in ("run folder", "same path", "locks", "create once", "rename", "visible", "sync"):
        assert f"ok       {name} " in outcome.stdout, names
    assert [] == list(tmp_path.iterdir())


def test_a_missing_folder_is_refused_in_one_line(tmp_path: Path, triptych: Command) -> None:
    """It isn't created."""
    outcome = triptych("doctor", tmp_path / "missing")

    assert 1 == outcome.exit_code
    assert (
        "missing is not a folder; name the run folder, or the folder that will contain it" in outcome.stderr
    )
    assert [] == list(tmp_path.iterdir())


@mounts
def test_a_read_only_file_system_is_the_only_finding(tmp_path: Path, second: Elsewhere) -> None:
    """A tmpfs. No other question is tried."""
    with mounted(tmp_path / "ro", "mount", "-t", "tmpfs", "-o", "ro", "tmpfs") as folder:
        found = levels(folder, second)

    assert {"run folder": ("failed", f"{folder}: Read-only file system")} == found


@mounts
def test_a_full_file_system_is_found(
    tmp_path: Path, second: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tmpfs of one megabyte, filled."""
    with mounted(tmp_path / "small", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as folder:
        (folder / "filler").write_bytes(bytes(1_040_000))
        found = levels(folder, second)

    assert "failed" == found["run folder"][0] and "0.0 GB free" in found["run folder"][1]
    assert ("failed", "here: No space left on device") == found["rename"]


@mounts
def test_an_overlay_passes(tmp_path: Path, second: Elsewhere) -> None:
    """Containers have one as their root."""
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    with mounted(tmp_path / "overlay", "mount", "-t", "overlay", "-o", options, "overlay") as folder:
        found = levels(folder, second)

    assert {"ok"} == {level for level, _ in found.values()}, found


@mounts
def test_locks_that_other_nodes_do_not_see_are_found(tmp_path: Path, second: Elsewhere) -> None:
    """Two FUSE mounts of one folder: each client keeps its locks to itself, like NFS with local_lock."""
    (tmp_path / "store").mkdir()
    with (
        mounted(tmp_path / "here", "bindfs", tmp_path / "store") as here,
        mounted(tmp_path / "there", "bindfs", tmp_path / "store") as there,
    ):
        found = levels(here, through(second, here, there))

    assert ("failed", "a second process got a lock that this process holds") == found["locks"]
    assert "ok" == found["rename"][0] == found["create once"][0]


@mounts
def test_a_client_that_caches_missing_names_is_found(tmp_path: Path, second: Elsewhere) -> None:
    """It caches them for 1.5 seconds; NFS does for up to a minute."""
    (tmp_path / "store").mkdir()
    with (
        mounted(tmp_path / "here", "bindfs", tmp_path / "store") as here,
        mounted(tmp_path / "there", "bindfs", "-o", "negative_timeout=1.5", tmp_path / "store") as there,
    ):
        level, words = levels(here, through(second, here, there))["visible"]

    assert "note" == level
    assert words.startswith("a second process saw a new file after 1.")


def test_another_folder_at_the_same_path_is_found(tmp_path: Path, second: Elsewhere) -> None:
    """A node that hasn't mounted the file system has an empty folder there."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    found = levels(tmp_path / "here", through(second, tmp_path / "here", tmp_path / "there"))

    assert ("failed", "a second process has other files there") == found["same path"]
    assert "failed" == found["locks"][0] == found["visible"][0] == found["rename"][0]


@pytest.mark.parametrize(
    ("answer", "question", "words"),
    [
        # No file system of this machine has these faults, so the answers are made up.
        ({"create_all": [f"once-{n}" for n in range(200)]}, "create once", "were created more than once"),
        ({"faults_while_replaced": "saw no file while it was replaced"}, "rename", "node-b saw no file"),
        ({"this_node": steps.Node("node-b", "3.12.1", "0.0.9", "2.40", time.time())}, "versions",
         "node-b has python 3.12.1, this machine"),
        ({"this_node": steps.Node("node-b", "", "", "", time.time() - 100)}, "clock", "node-b is "),
    ],
)  # fmt: skip
def test_other_faults_of_nodes_are_found(
    answer: dict[str, Any], question: str, words: str, tmp_path: Path
) -> None:
    """Those of a made-up node, which has no other fault."""

    def node_b(step: steps.Step, folder: Path) -> list[Answer]:
        name = getattr(step, "__name__", "")
        if name == "create_all":
            time.sleep(0.3)  # after this process, so that it wins none
        result = answer[name] if name in answer else steps.tried(step, str(folder))[0]
        return [Answer("node-b", result)]

    level, found = levels(tmp_path, node_b)[question]

    assert "failed" == level
    assert words in found


def test_an_error_on_a_node_is_a_finding(tmp_path: Path) -> None:
    """Not a traceback."""

    def node_b(step: steps.Step, folder: Path) -> list[Answer]:
        if step is steps.sync:
            return [Answer("node-b", None, "Invalid argument")]
        return [Answer("node-b", *steps.tried(step, str(folder)))]

    assert ("failed", "node-b Invalid argument") == levels(tmp_path, node_b)["sync"]


def test_an_unreachable_cluster_is_refused_in_one_line(tmp_path: Path) -> None:
    """The folder stays empty. The command runs in a process that hasn't joined a cluster."""
    command = [sys.executable, "-m", "triptych", "doctor", str(tmp_path), "--cluster", "127.0.0.1:1"]
    outcome = subprocess.run(command, capture_output=True, text=True)

    assert 1 == outcome.returncode
    assert "--cluster 127.0.0.1:1: no Ray cluster can be joined there" in outcome.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_cluster_without_a_folder_is_refused(triptych: Command) -> None:
    """It is the folder that nodes examine."""
    outcome = triptych("doctor", "--cluster", "auto")

    assert 2 == outcome.exit_code
    assert "name the FOLDER that all nodes share" in outcome.stderr
