"""The command as a user calls it, and small archives of demo pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from triptych.cli import main
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene


class Outcome(NamedTuple):
    """What a call of the command left behind."""

    exit_code: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture
def triptych(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call ``triptych`` with these arguments, in this process."""

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
