"""Fixtures: the command line as a user calls it, a folder of demo pictures, and a finished run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from triptych import open_run
from triptych.cli import main
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene


class Outcome(NamedTuple):
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture
def triptych(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A function that calls ``triptych`` with the given arguments in this process."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["triptych", *map(str, arguments)])
        capsys.readouterr()
        exit_code = 0
        try:
            main()
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six small demo pictures, in two series."""
    folder = tmp_path_factory.mktemp("few") / "images"
    folder.mkdir()
    for index in range(2):
        scene = imagine_scene("unseen", 500 + index)
        for number in range(3):
            shown = scene if number == 0 else vary_scene(scene, "unseen", number)
            paint(shown, 336, 224).save(folder / f"{index}{number}.png")
    return folder


FLAGS = {
    "filtering.grounding": False,
    "captioning.jobs": ["single_en"],
    "captioning.transformers.batch_size": 6,
}
"""The settings of ``finished``."""


@pytest.fixture(scope="session")
def finished(few_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six images and one job."""
    path = tmp_path_factory.mktemp("finished") / "run"
    with open_run(path, [few_images], preset="demo", settings=FLAGS) as pipeline:
        pipeline.run()
    return path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of ``finished`` that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def run_again(triptych: Command, few_images: Path, run: Path) -> Outcome:
    """Run the command that made ``finished`` again, on ``run``."""
    settings = [part for key, value in FLAGS.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    return triptych("run", few_images, "--preset", "demo", *settings, "--out", run)
