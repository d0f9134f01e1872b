"""Shards distributed over worker processes: real ones, started as for GPUs, but on CPUs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.colour_encoder import ColourOn, bytes_of, save_tars
from tests.support.contexts import context_of
from triptych.errors import SetupError
from triptych.grouping.config import EmbeddingConfig
from triptych.grouping.embedding.device_workers import open_devices
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.grouping.embedding.throughput import Throughput
from triptych.grouping.stage import embed_sources
from triptych.progress import Silent
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources

PATIENCE_S = 90
"""Timeout for steps that take seconds on an idle machine."""


class _CountingReport:
    """Counts files by shard, and lists the shards that were written."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.written: list[str] = []

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        self.files[shard] += files

    def wrote(self, shard: str) -> None:
        self.written.append(shard)


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    """Five tars of five pictures; the last picture of the fourth is white."""
    return save_tars(tmp_path / "tars", count=5, images=5, white_in=3)


@pytest.fixture
def by_one_process(tars: Path, tmp_path: Path) -> dict[str, bytes]:
    """The files that a single process writes."""
    run = RunFolder.create_or_open(tmp_path / "undisturbed")
    Pipeline(run, ColourOn()("cpu"), 2, 1).run(open_sources([tars]), _CountingReport())
    return bytes_of(run.path)


class _RecordedProgress(Silent):
    """Progress that records messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def _embed(run: Path, tars: Path, encoder: ColourOn, devices: int = 2) -> tuple[_CountingReport, list[str]]:
    report, progress = _CountingReport(), _RecordedProgress()
    context = context_of(RunFolder.create_or_open(run), progress=progress)
    # Not "cpu": a single "cpu" would be used in this process.
    with open_devices(context, ["cpu:0"] * devices, encoder, batch_size=2, decode_threads=1) as embed:
        embed(open_sources([tars]), report)
    return report, progress.lines


def test_two_processes_write_the_same_bytes_as_one(tars: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Through the stage, with a real open_clip model in each; the stage's notes count every image."""
    runs = {}
    for name, devices in (("one", ("cpu",)), ("two", ("cpu", "cpu"))):
        run = RunFolder.create_or_open(tmp_path / name)
        config = EmbeddingConfig(model=str(tiny_clip), batch_size=3, devices=devices)
        assert embed_sources(context_of(run), open_sources([tars]), config) is True
        notes = run.run_file.stages["embeddings"].notes
        assert notes["found"] == 25
        assert notes["bounded_by"] in ("reading", "decoding", "model")
        runs[name] = bytes_of(run.path)

    assert len(runs["one"]) == 10
    assert runs["one"] == runs["two"]


@pytest.mark.parametrize(
    ("at_white", "devices", "why"),
    [("die once", 2, "was killed"), ("fail once", 1, "ended with RuntimeError: CUDA error")],
)
def test_a_process_that_dies_is_replaced(
    tars: Path, by_one_process: dict[str, bytes], tmp_path: Path, at_white: str, devices: int, why: str
) -> None:
    """Its shard is retried, each file is counted once, and the result has the same bytes."""
    encoder = ColourOn(at_white, str(tmp_path / "met"))  # type: ignore[arg-type]

    report, messages = _embed(tmp_path / "run", tars, encoder, devices)

    assert bytes_of(tmp_path / "run") == by_one_process
    assert set(report.files.values()) == {5}
    assert sorted(report.written) == [f"sa_{number:06d}" for number in range(5)]
    assert len(messages) == 1
    assert f"the embedding process on cpu:0 {why}" in messages[0]
    assert "sa_000003" in messages[0]


def test_a_shard_that_keeps_killing_processes_ends_with_an_error(tars: Path, tmp_path: Path) -> None:
    """The error names the shard and what happened; finished shards are kept."""
    with pytest.raises(
        SetupError, match=r"on cpu:0 was killed .* with shard .*sa_000003.* as two did before"
    ):
        _embed(tmp_path / "run", tars, ColourOn("die", str(tmp_path / "met")), devices=1)

    assert (tmp_path / "run" / "images" / "sa_000001.jsonl").exists()
    assert not (tmp_path / "run" / "images" / "sa_000003.jsonl").exists()


def test_worker_processes_end_when_their_parent_is_killed(
    tars: Path, by_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    """After SIGKILL to the parent, no process is left, and resuming gives the same bytes."""
    met = tmp_path / "met"
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.grouping.embedding.test_device_workers import _embed\n"
        "from tests.support.colour_encoder import ColourOn\n"
        "_embed(Path(sys.argv[1]), Path(sys.argv[2]), ColourOn('wait', sys.argv[3]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "run", tars, met])
    _wait_for(met.exists)
    children = _children_of(parent.pid)
    parent.kill()
    parent.wait()
    _wait_for(lambda: not any(map(_is_alive, children)))
    before = bytes_of(tmp_path / "run")

    run = RunFolder.open(tmp_path / "run")
    rest = [shard for shard in open_sources([tars]) if not run.images_file(shard.name).exists()]
    Pipeline(run, ColourOn()("cpu"), 2, 1).run(rest, _CountingReport())

    assert len(children) >= 2
    assert before.items() < by_one_process.items()
    assert bytes_of(run.path) == by_one_process


def test_ctrl_c_ends_every_process_without_a_traceback(tars: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """SIGINT to the whole process group while models load: exit code 130, one line, no process left."""
    command = [sys.executable, "-m", "triptych", "group", tars, "--out", tmp_path / "run"]
    command += ["--set", f"embedding.model={tiny_clip}", "--set", 'embedding.devices=["cpu","cpu"]']
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    _wait_for(lambda: len(_children_of(parent.pid)) >= 3)  # both workers, and multiprocessing's own process
    children = _children_of(parent.pid)
    os.killpg(parent.pid, signal.SIGINT)
    _, stderr = parent.communicate(timeout=PATIENCE_S)
    _wait_for(lambda: not any(map(_is_alive, children)))

    assert stderr.splitlines()[-1] == "triptych: interrupted; the same command resumes from here"
    assert "Traceback" not in stderr
    assert parent.returncode == 130


def _wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def _children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and _stat_of(int(entry.name))[1] == str(pid):
                found.append(int(entry.name))
    return found


def _is_alive(pid: int) -> bool:
    try:
        return _stat_of(pid)[0] != "Z"
    except OSError:
        return False


def _stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the process's name: state, parent and more (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
