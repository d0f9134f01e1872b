"""Captions repaired by removing denied statements."""

from __future__ import annotations

import pytest

from tests.support.contexts import JOBS
from triptych.filtering.caption_repair import repair_caption
from triptych.prompts import load_prompt
from triptych.prompts.statements import statements

EN, ZH = (load_prompt(JOBS[name]).naming for name in ("multi_en", "multi_zh"))


def repaired(text: str, denied: str, images: int = 1) -> str | None:
    """The repaired caption. ``denied`` has the beginnings of denied statements, separated by ``|``."""
    naming = None if images == 1 else EN if text.isascii() else ZH
    starts = tuple(denied.split("|"))
    found = statements(text, images, naming)
    places = [(each.start, each.end) for each in found if text[each.start :].startswith(starts)]
    assert places
    return repair_caption(text, images, naming, places)


@pytest.mark.parametrize(
    ("text", "denied", "left"),
    [
        ("A dog stands. It is red. A ball lies there.", "It is", "A dog stands. A ball lies there."),
        ("A dog stands. It is red. A ball lies there.", "A dog|A ball", "It is red."),
        ("A dog stands; its collar is red; it barks.", "its", "A dog stands; it barks."),
        ("A dog stands; its collar is red.", "its", "A dog stands."),
        ("A dog stands; its collar is red.", "A dog", "Its collar is red."),
        ("一只狗。项圈是红色的。旁边有球。", "项圈", "一只狗。旁边有球。"),
        ("一只狗；项圈是红色的。", "项圈", "一只狗。"),
        ("- A dog.\n- A red ball.\n- Grass.", "- A red", "- A dog.\n- Grass."),
    ],
)
def test_denied_statements_are_removed_and_the_rest_stays(text: str, denied: str, left: str) -> None:
    """If a clause of a sentence remains, it is made a sentence."""
    assert left == repaired(text, denied)


def test_a_caption_with_only_denied_statements_cannot_be_repaired() -> None:
    assert repaired("A dog. A ball.", "A dog|A ball") is None


def test_a_repaired_caption_of_a_set_still_names_each_image() -> None:
    """If it wouldn't, or if a sentence would then describe another image, the caption can't be repaired."""
    text = "Image-1: A dog. It is red. Image-2: A cat. It is grey. Image-2 is dark. Both images are warm."

    assert "Image-1: A dog. Image-2: A cat. It is grey. Image-2 is dark. Both images are warm." == repaired(
        text, "It is red", 2
    )
    assert repaired(text, "Image-1", 2) is None
    assert repaired(text, "Image-2: A cat", 2) is None  # otherwise "It is grey" would describe the dog
    assert text.replace("Image-2 is dark. ", "") == repaired(text, "Image-2 is dark", 2)
    assert repaired("图1：一只狗。图2：一只猫。", "图2", 2) is None
