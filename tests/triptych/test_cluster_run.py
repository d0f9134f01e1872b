"""A run on a cluster of four nodes exports the bytes of one machine's, whatever the nodes do meanwhile."""

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


class Heard(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module", autouse=True)
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the engine notes what it is asked, in this process and those that it starts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ASKED, str(tmp_path_factory.mktemp("asked") / "asked"))
        yield


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pile(tmp_path_factory.mktemp("pile") / "pile")


@pytest.fixture(scope="module")
def one_machine(pile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder that one machine makes of it."""
    return run_all(pile, tmp_path_factory.mktemp("one") / "run")


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few images are searched, filtered and exported in as many pieces as millions are."""
    monkeypatch.setattr("triptych.grouping.neighbours.self_join.MIN_PIECE_IMAGES", 4)
    monkeypatch.setattr("triptych.filtering.filter_pass.MIN_BLOCKS_FOR_PROCESSES", 1)
    monkeypatch.setattr("triptych.filtering.stage.BLOCK_CAPTIONS", 2)
    monkeypatch.setattr("triptych.export.rows.MIN_BYTES_FOR_PROCESSES", 1)
    monkeypatch.setattr("triptych.executors.ray.executor.NODES_EVERY_S", 0.5)


@pytest.fixture(scope="module", autouse=True)
def quick_encoder() -> Iterator[None]:
    """One that loads no torch, here and in the workers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("triptych.grouping.stage.load_encoder", load_colours)
        patched.setattr("triptych.grouping.stage.usable_devices", lambda devices: ["cpu"])
        yield


def run_all(pile: Path, out: Path, progress: Silent | None = None, **more: Any) -> Path:
    flags: Mapping[str, object] = FLAGS | {key.replace("__", "."): value for key, value in more.items()}
    with open_run(out, [pile], settings=flags, progress=progress or Silent()) as run:
        run.run()
    return out


def test_four_nodes_export_the_bytes_of_one_machine(
    ray_nodes: RayNodes, pile: Path, one_machine: Path, tmp_path: Path
) -> None:
    """Embeddings, neighbours, captions, verdicts and rows; nothing is left of what went between machines."""
    heard = Heard()

    out = run_all(pile, tmp_path / "run", heard, cluster__address=ray_nodes.address)

    assert export_digests(one_machine) == export_digests(out) != {}
    assert not (out / "cluster").exists()
    with open_run(out, read_only=True) as again:
        assert "" == again.config.cluster.address
    assert any("packed on this machine" in line for line in heard.lines)
