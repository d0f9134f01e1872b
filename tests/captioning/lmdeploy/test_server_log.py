"""Logs of servers: their size is bounded, and those of previous starts are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.captioning.lmdeploy import server_process
from triptych.captioning.lmdeploy.server_process import ServerLog


def test_each_start_has_a_log_and_the_oldest_is_removed(tmp_path: Path) -> None:
    """The current log and the three before it are kept."""
    log = ServerLog(tmp_path / "logs" / "lmdeploy-0.log")
    for start in range(6):
        with log.begin() as file:
            file.write(f"start {start}\n".encode())

    kept = {path.name: path.read_text() for path in log.path.parent.iterdir()}
    names = ("lmdeploy-0.log", "lmdeploy-0.1.log", "lmdeploy-0.2.log", "lmdeploy-0.3.log")
    assert {name: f"start {5 - age}\n" for age, name in enumerate(names)} == kept


def test_a_log_that_grows_too_large_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server continues to append to it."""
    monkeypatch.setattr(server_process, "MAX_BYTES", 10)
    log = ServerLog(tmp_path / "a.log")
    with log.begin() as file:
        file.write(b"much has been said\n")
        file.flush()
        log.limit_size()
        file.write(b"more\n")

    assert ("more\n", "much has been said\n") == (log.path.read_text(), (tmp_path / "a.1.log").read_text())


def test_the_tail_is_one_line(tmp_path: Path) -> None:
    """It has the end of the log, and its length is bounded."""
    log = ServerLog(tmp_path / "a.log")
    with log.begin() as file:
        file.write(b"x" * 10_000 + b"\nTraceback:\n\n  File a\nValueError: no such thing\n")

    assert log.tail().endswith("Traceback: | File a | ValueError: no such thing")
    assert 610 > len(log.tail())
