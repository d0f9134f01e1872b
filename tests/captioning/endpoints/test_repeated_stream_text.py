"""Texts that a gateway sends more than once, in all forms in which it does so."""

from __future__ import annotations

import pytest

from triptych.captioning.endpoints.event_stream import without_repeated_text

TEXT = "A red bird sits on a branch in the rain."
PIECES = [TEXT[:5], TEXT[5:20], TEXT[20:]]
THOUGHT = ["<think>", "a bird?", "</think>\n\n"]


@pytest.mark.parametrize(
    "pieces",
    [
        PIECES,
        [TEXT],
        [TEXT, TEXT],
        [TEXT, TEXT, TEXT],
        [*PIECES, TEXT],
        [*PIECES, TEXT, TEXT],
        [*PIECES, "\n", TEXT, "\n"],
        [*PIECES, *PIECES],
        [*THOUGHT, *PIECES, TEXT],
        [*THOUGHT, *PIECES, TEXT, TEXT],
        [TEXT[:end] for end in range(1, len(TEXT) + 1)],
    ],
)
def test_a_repeated_text_is_returned_once(pieces: list[str]) -> None:
    """Repeated whole, piece by piece, twice, after thoughts, or growing."""
    assert TEXT == without_repeated_text(pieces).strip()


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        ["no ", "no "],
        ["Ha", " ha", " ha", " ha"],
        ["A bird sits on a branch. ", "It rains on the bird. ", "It rains on the bird. "],
        [*PIECES, " ", *PIECES],
        [" ", *PIECES, "\n"],
        [*THOUGHT, *PIECES],
    ],
)
def test_repetitions_by_the_model_are_kept(pieces: list[str]) -> None:
    """A loop, or a doubled word. So are blanks at the ends."""
    assert "".join(pieces) == without_repeated_text(pieces)
