"""The examples of docs/python-api.md, run as a reader would run them."""

from __future__ import annotations

import doctest
import re
import shutil
from pathlib import Path

import pytest

from triptych import load_config

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"


def _blocks(language: str) -> list[str]:
    """The fenced blocks of the page in ``language``."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert found
    return found


def test_every_example_prints_what_the_page_shows(
    few_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page. Later examples use names of earlier ones."""
    shutil.copytree(few_images, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_doctest("".join(_blocks("pycon")), {}, PAGE.name, None, 0)
    printed: list[str] = []

    failed, tried = doctest.DocTestRunner().run(examples, out=printed.append)

    assert (0, True) == (failed, tried > 20), "".join(printed)


def test_every_config_of_the_page_is_valid(tmp_path: Path) -> None:
    """It has no unknown key."""
    for block in _blocks("toml"):
        (tmp_path / "triptych.toml").write_text(block, "utf-8")

        assert load_config(file=tmp_path / "triptych.toml").all_jobs()
