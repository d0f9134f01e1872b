"""What the two sides of a row say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.export.prompt_text import answers, question, without_tags


def test_a_question_about_one_image_begins_with_its_tag() -> None:
    """As InternVL documents it."""
    assert "<image>\nDescribe it." == question("one image", 1, "Describe it.")


def test_a_question_about_several_images_numbers_them() -> None:
    """As InternVL's own evaluation does."""
    asked = question("several images", 3, "Describe them.")

    assert "Image-1: <image>\nImage-2: <image>\nImage-3: <image>\nDescribe them." == asked


TAGS = ["image", "IMAGE", "img", "/img", "IMG_CONTEXT", "video", "audio", "bbox", "ref-object", "|im_end|"]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_in_a_caption_becomes_readable_text(tag: str) -> None:
    """It would be taken for an image or a special token otherwise."""
    assert f"A sign says ‹{tag}› here." == without_tags(f"A sign says <{tag}> here.")


def test_other_angle_brackets_stay() -> None:
    """Only tags that loaders know are touched."""
    assert "a < b > c <b>bold</b>" == without_tags("a < b > c <b>bold</b>")


def test_answers_are_the_captions_and_those_with_a_tag_are_counted() -> None:
    """One tag changes no other answer."""
    texts = ["A red boat.", "A <image> sign", "a < b", '一艘 "船" 🙂\n']

    said, rewritten = answers(texts)

    assert ["A red boat.", "A ‹image› sign", "a < b", '一艘 "船" 🙂\n'] == said
    assert 1 == rewritten


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="<")))
def test_a_text_without_tags_comes_through_unchanged(text: str) -> None:
    """Letter for letter."""
    assert ([text], 0) == answers([text])
