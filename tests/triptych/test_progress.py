"""What progress says on a terminal and in a log."""

from __future__ import annotations

import re

import pytest

from triptych.progress import Bars, Lines


def test_a_line_gives_the_pace_and_what_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Count, units per second, the last note, time taken."""
    with Lines().task("embeddings", None, "images") as task:
        task.advance(30)
        task.note("bounded by reading")
        task.note("bounded by decoding")

    said = capsys.readouterr().err
    assert re.fullmatch(r"embeddings: 30 images, [\d,.]+ images/s, took 0 s; bounded by decoding\n", said), (
        said
    )


def test_a_bar_gives_the_pace_and_what_goes_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal wide enough, beside the count."""
    monkeypatch.setenv("COLUMNS", "200")
    with Bars().task("embeddings", 40, "images") as task:
        task.note("bounded by the model")
        task.advance(30)
        task.advance(-10)

    assert re.search(r"20/40 images [\d,.]+/s .* bounded by the model", capsys.readouterr().err)
