"""Reading which things of a drawn scene a caption names, in any model's words."""

from __future__ import annotations

import pytest

from triptych.captioning.canary.reading import counts, named_share, part_on
from triptych.demo.scene import Scene, Thing

SCENE = Scene("harbour", (Thing("sailboat", "red", "left"), Thing("lighthouse", "white", "right")), seed=1)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("A vibrant red sailboat glides past a tall white lighthouse under a blue sky.", 1.0),
        ("The illustration depicts a lighthouse, painted white, and a boat with large red sails.", 1.0),
        ("A red-and-white yacht, and a white tower.", 1.0),
        ("A blue sailboat near a red lighthouse.", 0.0),
        ("A red car and a white house.", 0.0),
        ("A SAILBOAT that is RED.", 0.5),
        ("", 0.0),
    ],
)
def test_a_thing_is_named_if_its_colour_is_near(text: str, share: float) -> None:
    """Not if the colour belongs to another thing."""
    assert share == named_share(text, SCENE)


@pytest.mark.parametrize(
    ("text", "is_counted"),
    [
        ("There are three yellow flowers.", True),
        ("3 flowers, all of them yellow", True),
        (
            "A yellow flower on the left, a yellow flower in the middle and a yellow flower on the right.",
            True,
        ),
        ("Two yellow flowers.", False),
        ("Yellow flowers.", False),
    ],
)
def test_a_number_is_a_word_a_digit_or_as_many_mentions(text: str, is_counted: bool) -> None:
    assert is_counted == counts(text, "flower", 3)


def test_a_part_reaches_from_a_name_of_its_image_to_the_next_name() -> None:
    """Whatever form the names have. Text before the first name belongs to no image."""
    text = "Both show water. Image-1: a boat. The second image has a crab; image 1 is brighter."

    parts = [" ".join(part_on(text, number).split()) for number in (1, 2)]
    assert [": a boat. The is brighter.", "image has a crab;"] == parts
