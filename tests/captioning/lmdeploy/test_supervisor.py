"""Who watches the servers that Triptych starts: what it gives up, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_gpus import show_gpus
from tests.support.lmdeploy_on_cpu import ROOT
from tests.support.processes import is_alive, until
from triptych.captioning.engines import RequestLimits
from triptych.captioning.lmdeploy import command, supervisor
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.engine import LmdeployEngine
from triptych.captioning.lmdeploy.ports import reserved_ports
from triptych.captioning.lmdeploy.server_log import ServerLog
from triptych.captioning.lmdeploy.server_process import ServerProcess
from triptych.captioning.lmdeploy.supervisor import Supervisor, why_not_serving
from triptych.errors import SetupError

STAND_IN = ("-m", "tests.support.stand_in_server", "serve", "api_server")

START_AN_ENGINE = f"""
from pathlib import Path
from triptych.captioning.engines import RequestLimits
from triptych.captioning.lmdeploy import command
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.engine import LmdeployEngine
command.SERVE = {STAND_IN!r}
LmdeployEngine("some/model", LmdeployConfig(), RequestLimits(), Path("logs"), lambda _: None)
print("ready", flush=True)
input()
"""


class Idle:
    """A server that nobody asks anything."""

    in_flight = 0
    last_sign_at = 0.0

    def rest(self, pause_s: float) -> None:
        """Nothing to keep from it."""

    def wake(self) -> None:
        """Nothing to send it."""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each process of a stand-in leaves its number; two GPUs are shown."""
    show_gpus(monkeypatch, tmp_path, 2)
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("LMDEPLOY_NOTES", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def pids(notes: Path) -> list[int]:
    """Of all servers so far and their helpers."""
    return [int(path.name) for path in notes.iterdir()]


def test_a_server_that_dies_again_and_again_is_given_up(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After max_deaths without a caption in between, with the end and the path of its log."""
    for name, value in (("LOOK_EVERY_S", 0.02), ("HEALTH_EVERY_S", 0.02), ("FIRST_PAUSE_S", 0.01)):
        monkeypatch.setattr(supervisor, name, value)
    said: list[str] = []
    given_up: list[str] = []
    with reserved_ports(1) as ports:
        command = [sys.executable, *STAND_IN, "model", "--server-port", str(ports[0])]
        log = ServerLog(tmp_path / "lmdeploy-0.log")
        environment = os.environ | {"STAND_IN_DIES": "after 3"}
        child = ServerProcess(0, command, environment, ports[0], log)
        child.start()
        assert why_not_serving([child], 30.0) is None
        watch = Supervisor(child, Idle(), LmdeployConfig(max_deaths=3), said.append, given_up.append)

        assert until(lambda: bool(given_up))
        watch.end()

    (line,) = set(given_up)
    assert line.startswith(
        "lmdeploy server 0 died 3 times without a caption in between, the last time it ended"
    )
    assert "exit code 3; its log ends with: RuntimeError: CUDA error: an illegal memory access" in line
    assert f"(log: {log.path})" in line
    assert 6 == len(pids(notes))  # three servers with a helper each
    assert not any(map(is_alive, pids(notes)))
    assert all("restarting it" in words or "is ready again" in words for words in said)


def test_a_server_that_can_not_be_started_again_is_given_up(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a disk that can't take its log; the requests that wait for it are told."""
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    given_up: list[str] = []
    with reserved_ports(1) as ports:
        command = [sys.executable, *STAND_IN, "model", "--server-port", str(ports[0])]
        log = ServerLog(tmp_path / "logs" / "lmdeploy-0.log")
        child = ServerProcess(0, command, os.environ, ports[0], log)
        child.start()
        assert why_not_serving([child], 30.0) is None
        watch = Supervisor(child, Idle(), LmdeployConfig(), lambda _: None, given_up.append)
        (tmp_path / "logs").rename(tmp_path / "moved")
        (tmp_path / "logs").write_text("a file where the folder was")

        child.kill()

        assert until(lambda: bool(given_up))
        watch.end()

    assert given_up[0].startswith("lmdeploy server 0 could not be watched any more (FileExistsError")


def test_no_server_is_left_when_the_run_is_killed(notes: Path, tmp_path: Path) -> None:
    """By SIGKILL: neither of two servers, nor what they had started."""
    run = subprocess.Popen(
        [sys.executable, "-c", START_AN_ENGINE], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    assert b"ready\n" == run.stdout.readline()
    assert [True] * 4 == [is_alive(pid) for pid in pids(notes)]

    run.kill()
    run.communicate()

    assert until(lambda: not any(map(is_alive, pids(notes))))


def test_requests_wait_for_a_restart_as_long_as_for_the_start_and_lines_are_said(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though patience with other endpoints is shorter."""
    monkeypatch.setattr(command, "SERVE", STAND_IN)
    said: list[str] = []
    limits = RequestLimits(patience_s=5.0)
    engine = LmdeployEngine("some/model", LmdeployConfig(), limits, tmp_path / "logs", said.append)
    engine.close()

    assert engine._patience_s > LmdeployConfig().startup_timeout_s
    assert said.append == engine._say


def test_a_server_that_never_serves_ends_the_start(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After startup_timeout_s; nothing is left of it."""
    monkeypatch.setattr(command, "SERVE", ("-c", "import time; print('loading'); time.sleep(300)"))
    config = LmdeployConfig(startup_timeout_s=0.5)

    with pytest.raises(
        SetupError, match=r"server 0 was not ready within 0.5 s at its start; its log ends with"
    ):
        LmdeployEngine("some/model", config, RequestLimits(), tmp_path / "logs", lambda _: None)
