"""Progress as it is shown on a terminal and in a log."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from triptych.progress import Bars, Lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that lets time pass."""
    now = 100.0
    monkeypatch.setattr("triptych.progress.time.monotonic", lambda: now)

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    return wait


def test_a_line_shows_the_rate_and_the_time_left(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    """In a log: every few seconds, and at the end."""
    with Lines().task("embeddings", 12_000, "images") as task:
        clock(10)
        task.advance(3_000)
        task.note("bounded by reading")
        task.note("bounded by decoding")

    assert [
        "embeddings: 3,000/12,000 images, 300/s, 0:00:30 left",
        "embeddings: 3,000/12,000 images, 300/s, took 10 s; bounded by decoding",
    ] == capsys.readouterr().err.splitlines()


def test_a_task_that_took_no_time_has_no_rate(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    """It would be a meaningless number."""
    with Lines().task("embeddings", None, "images") as task:
        task.advance(30)

    assert "embeddings: 30 images, took 0 s\n" == capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 200])
def test_a_bar_never_truncates_count_rate_and_time(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[[float], None],
    columns: int,
) -> None:
    """On a narrow terminal, the note is truncated instead."""
    note = "bounded by the model, which is 94% busy, and more of this"
    monkeypatch.setenv("COLUMNS", str(columns))
    with Bars().task("captions single_en", 40, "captions") as task:
        clock(10)
        task.note(note)
        task.advance(30)
        task.advance(-10)

    shown = capsys.readouterr().err.replace("\n", "")
    assert re.search(r"captions single_en +\S.* 20/40 captions, 2\.0/s +took 0:00:10 +bound", shown)
    assert (note in shown) == (columns == 200)
