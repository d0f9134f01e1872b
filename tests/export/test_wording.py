"""What the two sides of a row say."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.wording import answers_json, question, without_tags


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


@pytest.mark.parametrize(
    ("journalled", "expected"),
    [
        (b'"A red boat."', ("A red boat.", False)),
        (b'"A \\"red\\" boat\\n"', ('A "red" boat\n', False)),
        (b'"A <image> sign"', ("A ‹image› sign", True)),
        (b'"A \\u003cimage\\u003e sign"', ("A ‹image› sign", True)),
        (b'"A \\u003c/img\\u003e, <\\/img>"', ("A ‹/img›, ‹/img›", True)),
        ('"一艘船 🙂"'.encode(), ("一艘船 🙂", False)),
    ],
)
def test_an_answer_is_the_caption_however_it_was_escaped(
    journalled: bytes, expected: tuple[str, bool]
) -> None:
    """The bytes of a journal are repeated only where no tag can hide in them."""
    (answer,), rewritten = answers_json([msgspec.Raw(journalled)])

    assert expected == (json.loads(bytes(answer)), rewritten == 1)


def test_an_answer_that_is_not_utf8_is_refused() -> None:
    """It must not get into a file that says it is UTF-8."""
    with pytest.raises(UnicodeDecodeError):
        answers_json([msgspec.Raw(b'"\xff"')])


def test_one_tag_changes_no_other_answer() -> None:
    """Captions are looked at many at a time."""
    journalled = [b'"A red boat."', b'"A <image> sign"', '"一艘 \\"船\\""'.encode()]

    answers, rewritten = answers_json([msgspec.Raw(one) for one in journalled])

    assert [journalled[0], '"A ‹image› sign"'.encode(), journalled[2]] == [bytes(one) for one in answers]
    assert 1 == rewritten


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="<")))
def test_a_text_without_tags_comes_through_unchanged(text: str) -> None:
    """Letter for letter, and without escapes that JSON doesn't ask for."""
    (answer,), rewritten = answers_json([msgspec.Raw(msgspec.json.encode(text))])

    assert (msgspec.json.encode(text), 0) == (bytes(answer), rewritten)
