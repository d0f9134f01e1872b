"""The demo on a cluster of four nodes, with its own pictures and models: it exports the same bytes as on one
machine, although its driver, a worker and a node are killed."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.killed_runs import export_digests, triptych_run
from tests.support.ray_nodes import RayNodes
from triptych.demo.archive import draw_archive
from triptych.opening import open_run
from triptych.progress import Silent

DRIVER, WORKER, NODE = 60, 150, 300
"""The number of captions, of about 750, at which each is killed."""


def when_captioned(out: Path, captions: int, act: Callable[[], object]) -> threading.Thread:
    """Call ``act`` once workers have written this many captions."""

    def watch() -> None:
        while sum(file.read_bytes().count(b"\n") for file in _journals(out)) < captions:
            time.sleep(0.5)
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def _journals(out: Path) -> list[Path]:
    return [file for name in ("captions", "worker_journals") for file in (out / name).rglob("*.jsonl")]


@pytest.mark.cluster
def test_the_demo_exports_the_same_bytes_despite_kills(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """First the driver is killed, then, under a new driver, a worker and a node."""
    draw_archive(tmp_path, Silent())
    images, one, four = tmp_path / "images", tmp_path / "one", tmp_path / "four"
    subprocess.run(triptych_run(images, one), check=True, capture_output=True)
    command = triptych_run(images, four, ["--cluster", ray_nodes.address])
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    when_captioned(four, DRIVER, driver.kill).join()
    driver.wait()
    killed = [
        when_captioned(four, WORKER, ray_nodes.kill_worker),
        when_captioned(four, NODE, ray_nodes.swap),
    ]

    with open_run(four, [images], preset="demo", settings={"cluster.address": ray_nodes.address}) as run:
        run.run()

    for thread in killed:
        thread.join()
    assert export_digests(one) == export_digests(four) != {}
