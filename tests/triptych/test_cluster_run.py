"""A run on a cluster of four nodes exports the same bytes as a run on one machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.crash.engine import ASKED
from tests.crash.runs import SETTINGS, draw_pile
from tests.support.colour_encoder import load_colours
from tests.support.killed_runs import export_digests
from tests.support.ray_nodes import RayNodes
from triptych.opening import open_run
from triptych.progress import Silent

FLAGS = {
    **{key: json.loads(str(value)) if str(value)[:1] in "[f" else value for key, value in SETTINGS.items()},
    "filtering.workers": 2,
}


class RecordedProgress(Silent):
    """Progress that records its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module", autouse=True)
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The engine writes its requests to a file, in this process and in those that it starts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ASKED, str(tmp_path_factory.mktemp("asked") / "asked"))
        yield


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pile(tmp_path_factory.mktemp("pile") / "pile")


@pytest.fixture(scope="module")
def one_machine(pile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run on one machine."""
    return run_all(pile, tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(autouse=True)
def many_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide the work on a few images into as many parts as that on millions."""
    monkeypatch.setattr("triptych.grouping.neighbours.self_join.MIN_PIECE_IMAGES", 4)
    monkeypatch.setattr("triptych.filtering.filter_pass.MIN_BLOCKS_FOR_PROCESSES", 1)
    monkeypatch.setattr("triptych.filtering.stage.BLOCK_CAPTIONS", 2)
    monkeypatch.setattr("triptych.export.rows.MIN_BYTES_FOR_PROCESSES", 1)
    monkeypatch.setattr("triptych.executors.ray.executor.NODES_EVERY_S", 0.5)


@pytest.fixture(scope="module", autouse=True)
def quick_encoder() -> Iterator[None]:
    """An encoder without torch, here and in the workers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("triptych.grouping.stage.load_encoder", load_colours)
        patched.setattr("triptych.grouping.stage.usable_devices", lambda devices: ["cpu"])
        yield


def run_all(pile: Path, out: Path, progress: Silent | None = None, **more: Any) -> Path:
    flags: Mapping[str, object] = FLAGS | {key.replace("__", "."): value for key, value in more.items()}
    with open_run(out, [pile], settings=flags, progress=progress or Silent()) as run:
        run.run()
    return out


def test_four_nodes_export_the_same_bytes_as_one_machine(
    ray_nodes: RayNodes, pile: Path, one_machine: Path, tmp_path: Path
) -> None:
    """All stages use the cluster. The files that machines exchanged are removed at the end."""
    recorded = RecordedProgress()

    out = run_all(pile, tmp_path / "run", recorded, cluster__address=ray_nodes.address)

    assert export_digests(one_machine) == export_digests(out) != {}
    assert not (out / "cluster").exists()
    with open_run(out, read_only=True) as again:
        assert "" == again.config.cluster.address
    assert any("packed on this machine" in line for line in recorded.lines)
