"""What the two sides of a row say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.export.conversation_text import (
    parts_of,
    question_parts,
    tagged_question,
    without_reserved_words,
)


def test_a_question_about_one_image_begins_with_its_tag() -> None:
    """As InternVL documents it."""
    assert "<image>\nDescribe it." == tagged_question("Describe it.", 1)


def test_a_question_about_several_images_numbers_them() -> None:
    """As InternVL's own evaluation does."""
    asked = tagged_question("Describe them.", 3)

    assert "Image-1: <image>\nImage-2: <image>\nImage-3: <image>\nDescribe them." == asked


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_tagged_question_is_read_back_as_its_parts(count: int) -> None:
    """An image between words, for each tag."""
    assert question_parts("Describe.\nBriefly.", count) == parts_of(
        tagged_question("Describe.\nBriefly.", count)
    )


@pytest.mark.parametrize(
    ("question", "parts"),
    [("Describe it.", ("Describe it.",)), ("<image>\n<image>\nBoth?", (None, None, "Both?")), ("", ())],
)
def test_parts_are_read_from_any_question(question: str, parts: tuple[str | None, ...]) -> None:
    """Also from one that nobody here has written."""
    assert parts == parts_of(question)


TAGS = ["image", "IMAGE", "img", "/img", "IMG_CONTEXT", "video", "audio", "bbox", "ref-object", "|im_end|"]


@pytest.mark.parametrize("tag", TAGS)
def test_a_reserved_word_in_a_caption_becomes_readable_text(tag: str) -> None:
    """It would be taken for an image or a special token otherwise."""
    assert f"A sign says ‹{tag}› here." == without_reserved_words(f"A sign says <{tag}> here.")


def test_other_angle_brackets_stay() -> None:
    """Only words that loaders know are touched."""
    assert "a < b > c <b>bold</b>" == without_reserved_words("a < b > c <b>bold</b>")


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="<")))
def test_a_text_without_reserved_words_comes_through_unchanged(text: str) -> None:
    """Letter for letter."""
    assert text == without_reserved_words(text)
