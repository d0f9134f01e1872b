"""The question and the answer of a row."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.export.conversation_text import (
    tagged_question,
    without_reserved_words,
)


def test_a_question_about_one_image_begins_with_its_tag() -> None:
    """As InternVL documents it."""
    assert "<image>\nDescribe it." == tagged_question("Describe it.", 1)


def test_a_question_about_several_images_numbers_them() -> None:
    """As InternVL's own evaluation does."""
    question = tagged_question("Describe them.", 3)

    assert "Image-1: <image>\nImage-2: <image>\nImage-3: <image>\nDescribe them." == question


TAGS = [
    *("image", "IMAGE", "img", "/img", "IMG_CONTEXT", "video", "audio", "bbox", "ref-object", "|im_end|"),
    *("image_soft_token", "end_of_turn", "loc_0012", "s", "/s", "pad", "unk", "unused42", "0x0A", "image 1"),
    *("|begin▁of▁sentence|", "\uff5cend\u2581of\u2581sentence\uff5c", "tool_call", "row_1_col_2", "think"),
    *("fake_token_around_image", "seg r=255", "extra_id_0", "ImageHere"),
]


@pytest.mark.parametrize("tag", TAGS)
def test_a_reserved_word_in_a_caption_is_put_in_guillemets(tag: str) -> None:
    """Otherwise it would be taken for an image or a special token."""
    assert f"A sign says ‹{tag}› here." == without_reserved_words(f"A sign says <{tag}> here.")


@pytest.mark.parametrize("token", ["IMG", "IMG_BREAK", "/INST", "gMASK", "CLS", "TOOL_CALLS", "MASK"])
def test_a_reserved_word_in_square_brackets_is_put_in_parentheses(token: str) -> None:
    """Mistral, Google and other model families have such tokens."""
    assert f"A sign says ({token}) here." == without_reserved_words(f"A sign says [{token}] here.")


@pytest.mark.parametrize(
    "text",
    [
        "The reading is 5 < 7 and 9 > 3, as the chart says.",
        "A page cites [1] and [12], and a key reads [a].",
        "牌子上写着《出口》和〈安静〉。",
        "An arrow -> points at a heart <3 and a box []",
    ],
)
def test_other_uses_of_brackets_stay(text: str) -> None:
    """Only reserved words are changed."""
    assert text == without_reserved_words(text)


def test_other_angle_brackets_stay() -> None:
    """Loaders don't know words between them as tags."""
    assert "a < b > c <b>bold</b>" == without_reserved_words("a < b > c <b>bold</b>")


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="<[\u25c1")))
def test_a_text_without_reserved_words_is_unchanged(text: str) -> None:
    """Whatever its characters are."""
    assert text == without_reserved_words(text)


@pytest.mark.parametrize("text", ["◁<image>▷", "‹<[IMG]>›", "◁x<|im_end|>▷", "<a[IMG]b>"])
def test_nested_reserved_words_leave_no_brackets(text: str) -> None:
    """Replacing again changes nothing."""
    found = without_reserved_words(f"A sign says {text} here.")

    assert found == without_reserved_words(found)
    assert not set("◁▷<>[]") & set(found)
