"""Rows as InternVL's loader wants them."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.plan import Target
from corpus.records import ImageRecord
from export.rows import multi_row, single_row, without_tags
from tests.export.internvl_reader import check_row

ONE = Target(
    id="single_en:sa_000000/sa_1.jpg",
    images=(ImageRecord(key="sa_000000/sa_1.jpg", width_px=1500, height_px=2250),),
)
THREE = Target(
    id="multi_en:s1",
    images=tuple(ImageRecord(key=f"k{i}.jpg", width_px=i, height_px=10 * i) for i in (1, 2, 3)),
)

TROUBLE = ["<image>", "<IMAGE>", "<ima", "ge>", "<", ">", "<img>", "<IMG_CONTEXT>", "<|im_end|>", "</script>"]
TROUBLE += ['"', "\\", "\n", "\x00", "\u2028", "\u202e", "🙂", "مرحبا", "船"]

HARD = st.text() | st.lists(st.sampled_from(TROUBLE)).map("".join)


def test_a_single_row_is_field_for_field_what_internvl_documents() -> None:
    """Tag once, line break, prompt; the caption as the answer."""
    expected = {
        "id": "single_en:sa_000000/sa_1.jpg",
        "image": "sa_000000/sa_1.jpg",
        "width": 1500,
        "height": 2250,
        "conversations": [
            {"from": "human", "value": "<image>\nDescribe it."},
            {"from": "gpt", "value": "A red boat."},
        ],
    }

    assert expected == json.loads(msgspec.json.encode(single_row(ONE, "A red boat.", "Describe it.")))


def test_a_multi_row_numbers_its_images() -> None:
    """Lists with one entry an image, in the order of the numbered tags."""
    row = multi_row(THREE, "Three boats.", "Describe them.")

    assert (
        "Image-1: <image>\nImage-2: <image>\nImage-3: <image>\nDescribe them." == row.conversations[0].value
    )
    assert (["k1.jpg", "k2.jpg", "k3.jpg"], [1, 2, 3], [10, 20, 30]) == (
        row.image,
        row.width_list,
        row.height_list,
    )


@pytest.mark.parametrize("tag", ["image", "IMAGE", "img", "/img", "IMG_CONTEXT", "video", "|im_end|"])
def test_a_tag_in_a_caption_becomes_readable_text(tag: str) -> None:
    """It would be taken for an image or a special token otherwise."""
    assert f"A sign says ‹{tag}› here." == without_tags(f"A sign says <{tag}> here.")


def test_other_angle_brackets_stay() -> None:
    """Only tags that loaders know are touched."""
    assert "a < b > c <b>bold</b>" == without_tags("a < b > c <b>bold</b>")


@settings(derandomize=True, deadline=None)
@given(text=HARD, prompt=HARD)
def test_no_text_breaks_a_row(text: str, prompt: str) -> None:
    """One line, valid JSON, tags equal images, whatever the caption or prompt says."""
    for row in (single_row(ONE, text, prompt), multi_row(THREE, text, prompt)):
        line = msgspec.json.encode(row)

        assert b"\n" not in line
        check_row(json.loads(line))


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="<")))
def test_a_text_without_tags_comes_through_unchanged(text: str) -> None:
    """Letter for letter, without escapes that a reader would have to undo."""
    row = json.loads(msgspec.json.encode(single_row(ONE, text, "Describe it.")))

    assert text == row["conversations"][1]["value"]
