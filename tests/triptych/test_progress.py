"""What progress says on a terminal and in a log."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from triptych.progress import Bars, Lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = 100.0
    monkeypatch.setattr("triptych.progress.time.monotonic", lambda: now)

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    return wait


def test_a_line_gives_the_pace_and_the_time_left(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    """Every few seconds, and at the end."""
    with Lines().task("embeddings", 12_000, "images") as task:
        clock(10)
        task.advance(3_000)
        task.note("bounded by reading")
        task.note("bounded by decoding")

    assert [
        "embeddings: 3,000/12,000 images, 300/s, 0:00:30 left",
        "embeddings: 3,000/12,000 images, 300/s, took 10 s; bounded by decoding",
    ] == capsys.readouterr().err.splitlines()


def test_what_took_no_time_has_no_pace(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]
) -> None:
    """It would be a number of digits that mean nothing."""
    with Lines().task("embeddings", None, "images") as task:
        task.advance(30)

    assert "embeddings: 30 images, took 0 s\n" == capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 200])
def test_a_bar_gives_count_pace_and_time_whole(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[[float], None],
    columns: int,
) -> None:
    """On a narrow terminal it is the note that is cut."""
    note = "bounded by the model, which is 94% busy, and more of this"
    monkeypatch.setenv("COLUMNS", str(columns))
    with Bars().task("captions single_en", 40, "captions") as task:
        clock(10)
        task.note(note)
        task.advance(30)
        task.advance(-10)

    said = capsys.readouterr().err.replace("\n", "")
    assert re.search(r"captions single_en +\S.* 20/40 captions, 2\.0/s +took 0:00:10 +bound", said)
    assert (note in said) == (columns == 200)
