"""The supervisor of a server: when it gives up, and that it leaves no process behind."""

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
from triptych.captioning.lmdeploy.server_process import ServerLog, ServerProcess, reserved_ports
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


class IdleEndpoint:
    """The state of an endpoint without requests."""

    in_flight = 0
    last_sign_at = 0.0

    def rest(self, pause_s: float) -> None:
        """There are no requests to hold back."""

    def wake(self) -> None:
        """There are no requests to send."""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where each stand-in process leaves its id. The machine seems to have two GPUs."""
    show_gpus(monkeypatch, tmp_path, 2)
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("LMDEPLOY_NOTES", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def pids(notes: Path) -> list[int]:
    """The process ids of all servers so far and their helpers."""
    return [int(path.name) for path in notes.iterdir()]


def test_a_server_that_keeps_dying_is_given_up(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After max_deaths without a caption in between. The error has the end and the path of its log."""
    for name, value in (("LOOK_EVERY_S", 0.02), ("HEALTH_EVERY_S", 0.02), ("FIRST_PAUSE_S", 0.01)):
        monkeypatch.setattr(supervisor, name, value)
    messages: list[str] = []
    given_up: list[str] = []
    with reserved_ports(1) as ports:
        command = [sys.executable, *STAND_IN, "model", "--server-port", str(ports[0])]
        log = ServerLog(tmp_path / "lmdeploy-0.log")
        environment = os.environ | {"STAND_IN_DIES": "after 3"}
        child = ServerProcess(0, command, environment, ports[0], log)
        child.start()
        assert why_not_serving([child], 30.0) is None
        watch = Supervisor(
            child, IdleEndpoint(), LmdeployConfig(max_deaths=3), messages.append, given_up.append
        )

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
    assert all("restarting it" in words or "is ready again" in words for words in messages)


def test_a_server_that_cannot_be_restarted_is_given_up(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example because its log can't be written."""
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    given_up: list[str] = []
    with reserved_ports(1) as ports:
        command = [sys.executable, *STAND_IN, "model", "--server-port", str(ports[0])]
        log = ServerLog(tmp_path / "logs" / "lmdeploy-0.log")
        child = ServerProcess(0, command, os.environ, ports[0], log)
        child.start()
        assert why_not_serving([child], 30.0) is None
        watch = Supervisor(child, IdleEndpoint(), LmdeployConfig(), lambda _: None, given_up.append)
        (tmp_path / "logs").rename(tmp_path / "moved")
        (tmp_path / "logs").write_text("a file where the folder was")

        child.kill()

        assert until(lambda: bool(given_up))
        watch.end()

    assert given_up[0].startswith("lmdeploy server 0 could not be watched any more (FileExistsError")


def test_no_server_is_left_when_the_run_is_killed(notes: Path, tmp_path: Path) -> None:
    """By SIGKILL. Neither two servers nor the helpers that they started are left."""
    run = subprocess.Popen(
        [sys.executable, "-c", START_AN_ENGINE], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    assert b"ready\n" == run.stdout.readline()
    assert [True] * 4 == [is_alive(pid) for pid in pids(notes)]

    run.kill()
    run.communicate()

    assert until(lambda: not any(map(is_alive, pids(notes))))


def test_requests_wait_for_a_restart_as_long_as_for_the_start(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if patience_s is shorter. Messages go to ``say``."""
    monkeypatch.setattr(command, "SERVE", STAND_IN)
    messages: list[str] = []
    limits = RequestLimits(patience_s=5.0)
    engine = LmdeployEngine("some/model", LmdeployConfig(), limits, tmp_path / "logs", messages.append)
    engine.close()

    assert engine._patience_s > LmdeployConfig().startup_timeout_s
    assert messages.append == engine._say


def test_a_server_that_never_becomes_ready_ends_the_start(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After startup_timeout_s."""
    monkeypatch.setattr(command, "SERVE", ("-c", "import time; print('loading'); time.sleep(300)"))
    config = LmdeployConfig(startup_timeout_s=0.5)

    with pytest.raises(
        SetupError, match=r"server 0 was not ready within 0.5 s at its start; its log ends with"
    ):
        LmdeployEngine("some/model", config, RequestLimits(), tmp_path / "logs", lambda _: None)
