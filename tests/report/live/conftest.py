"""A grouped run with painted pictures in a tar and a folder, a slow endpoint, and commands as processes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

import triptych
from tests.support.scripted_endpoint import Asked, Reply, ScriptedEndpoint, refuse, say
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.report.live.server import LiveReport

REFUSAL = "the picture was blocked by our content policy <b>7</b>"
SETTINGS = {
    "embedding.model": "builtin:nano-clip",
    "sets.related_cosine_similarity": 0.55,
    "sets.duplicate_cosine_similarity": 0.999,
    "captioning.jobs": ["single_en", "multi_en"],
    "captioning.tile_px": 112,
    "captioning.max_tiles": 1,
    "captioning.max_in_flight": 1,
    "filtering.guarded_from": 1_000_000,
    "filtering.grounding": False,
}


@pytest.fixture(scope="session")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``run`` and ``images``: six pictures in a tar and six loose ones."""
    root = tmp_path_factory.mktemp("live")
    images = root / "images"
    images.mkdir()
    for series in range(4):
        scene = imagine_scene("unseen", 700 + series)
        for number in range(3):
            shown = scene if number == 0 else vary_scene(scene, "unseen", number)
            paint(shown, 336, 224).save(images / f"{series}{number}.png")
    with tarfile.open(images / "archive.tar", "w") as archive:
        for path in sorted(images.glob("[01]*.png")):
            archive.add(path, path.name)
            path.unlink()
    with triptych.open_run(root / "run", [images], settings=SETTINGS) as run:
        run.group()
    return root


@pytest.fixture
def run_path(grouped: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(grouped / "run", tmp_path / "run"))


class SlowEndpoint(ScriptedEndpoint):
    """An endpoint that answers after ``takes_s`` with different captions, and refuses every fifth picture."""

    def __init__(self, takes_s: float = 0.4) -> None:
        super().__init__(self._answer)
        self._takes_s = takes_s

    def _answer(self, asked: Asked) -> Reply:
        time.sleep(self._takes_s)
        number = len(self.asked)
        if number > 1 and number % 5 == 0:
            return refuse(400, REFUSAL)
        names = [f"Image-{at}" for at in range(1, asked.images + 1)] if asked.images > 1 else ["The picture"]
        return say(
            " ".join(
                f"{each} shows wide field number {number} with a quiet house and {number % 90 + 2} tall trees"
                " under a clear morning sky beside the narrow river."
                for each in names
            )
        )


@pytest.fixture
def endpoint() -> Iterator[SlowEndpoint]:
    with SlowEndpoint() as opened:
        yield opened


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("caption", run, ...)`` starts the command as a process, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        root = Path(triptych.__file__).parents[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "triptych", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """``served(run)`` serves the run's page from this process and returns its address."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    runners: list[web.AppRunner] = []

    async def begin(path: Path) -> str:
        report = LiveReport(path, token="t" * 22)
        runner = web.AppRunner(report.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}/{report.token}/"

    yield lambda path: asyncio.run_coroutine_threadsafe(begin(path), loop).result()
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)


def address_of(serving: subprocess.Popen[str]) -> str:
    """The address that `triptych report RUN --serve` prints."""
    assert serving.stdout is not None
    line = serving.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", line), line
    return line
