"""lmdeploy servers that Triptych starts: lmdeploy's real command line and server, killed and stopped.

Everything is real except the server's GPU engine (see lmdeploy_serve_on_cpu) and the GPUs themselves.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from tests.support.fake_gpus import show_gpus
from tests.support.lmdeploy_on_cpu import ROOT
from tests.support.processes import is_alive, until
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.lmdeploy import command
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.engine import LmdeployEngine
from triptych.errors import SetupError
from triptych.models import resolve_model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lmdeploy") is None, reason="lmdeploy is not installed"
)

MODEL = resolve_model("builtin:nano-internvl")
ON_CPU = ("-m", "tests.support.lmdeploy_serve_on_cpu", "serve", "api_server")


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where each server makes one, named by its process. The machine seems to have a GPU."""
    show_gpus(monkeypatch, tmp_path, 1)
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setattr(command, "SERVE", ON_CPU)
    monkeypatch.setenv("LMDEPLOY_NOTES", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def config(engine: str, **lmdeploy: object) -> CaptioningConfig:
    """Captions by the nano model."""
    return CaptioningConfig(
        engine=engine,
        model=MODEL,
        transformers=TransformersConfig(device="cpu", batch_size=4),
        tile_px=112,
        max_tiles=2,
        max_tokens_single=40,
        max_tokens_multi=60,
        ask_again=0,
        max_in_flight=3,
        lmdeploy=LmdeployConfig(backend="pytorch", max_batch=4, hang_timeout_s=4.0, **lmdeploy),
    )


def newest_server(notes: Path) -> int:
    """The process id of the server that was started last."""
    return int(max(notes.iterdir(), key=lambda path: path.stat().st_mtime).name)


def test_a_run_survives_a_killed_and_a_hanging_server(
    small_run: SmallRun, notes: Path, tmp_path: Path
) -> None:
    """Every caption is made once, and equals the in-process engine's. No server is left afterwards."""
    shutil.copytree(small_run.run.path, tmp_path / "other")
    in_process = SmallRun(small_run.run.open(tmp_path / "other"), small_run.pile)
    in_process.caption(config("transformers"))
    harmed: list[tuple[int, int]] = []

    def harm() -> None:
        for how, rows in ((signal.SIGKILL, 3), (signal.SIGSTOP, 9)):
            assert until(lambda rows=rows: _journal_lines(small_run) >= rows)
            harmed.append((newest_server(notes), _journal_lines(small_run)))
            os.kill(harmed[-1][0], how)

    killer = threading.Thread(target=harm)
    killer.start()
    small_run.caption(config("lmdeploy"))
    killer.join()

    assert captions_in(in_process) == captions_in(small_run)
    assert 3 == len(list(notes.iterdir()))
    assert all(rows < sum(PLANNED.values()) for _, rows in harmed)
    assert not any(is_alive(int(path.name)) for path in notes.iterdir())
    logs = {path.name for path in (small_run.run.path / "logs").iterdir()}
    assert {"lmdeploy-0.log", "lmdeploy-0.1.log", "lmdeploy-0.2.log"} == logs


def captions_in(run: SmallRun) -> dict[str, tuple[object, ...]]:
    """All captions, without their attempts: requests of a server that died are repeated."""
    return {
        key: (row.text, row.finish_reason, row.prompt_tokens, row.completion_tokens, row.failure)
        for key, row in run.rows().items()
    }


def _journal_lines(small_run: SmallRun) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (small_run.run.path / "captions").rglob("*.jsonl"))


def test_a_model_that_cannot_be_served_is_reported_with_the_end_of_the_log(
    notes: Path, tmp_path: Path
) -> None:
    """In one line, with the log's path."""
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    (model / "config.json").write_text('{"model_type": "unheard_of"}')
    config = LmdeployConfig(backend="pytorch", max_batch=4)

    with pytest.raises(SetupError) as raised:
        LmdeployEngine(str(model), config, RequestLimits(), tmp_path / "logs", lambda _: None)

    line = str(raised.value)
    assert "lmdeploy server 0 ended with exit code 1 at its start; its log ends with: " in line
    assert "find model architecture from config" in line
    assert f"(log: {tmp_path / 'logs' / 'lmdeploy-0.log'})" in line
    assert "\n" not in line
