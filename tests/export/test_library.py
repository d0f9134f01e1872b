"""Rows without a run folder."""

import msgspec
import pytest

from triptych.errors import UsageError
from triptych.export.formats import FORMATS
from triptych.export.library import CaptionedImages, rows
from triptych.records import ImageRecord

ONE = ImageRecord(key="a.jpg", width_px=4, height_px=3)
TWO = ImageRecord(key="b.jpg", width_px=2, height_px=5)


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_comes_for_each_caption_in_order(name: str) -> None:
    """Of one image and of several, in every format."""
    captions = [CaptionedImages([ONE], "A boat.", "first"), CaptionedImages([ONE, TWO], "Boats.")]

    found = list(rows(captions, name, prompt="Say."))

    row_type = FORMATS[name].row_type
    typed = [
        msgspec.convert(row, row_type(several_images=several))
        for row, several in zip(found, (0, 1), strict=True)
    ]
    assert ["first", "a.jpg+b.jpg"] == [FORMATS[name].facts(row).id for row in typed]


def test_a_row_is_the_one_that_an_export_has() -> None:
    """Plain dicts and lists, reserved words in guillemets."""
    (row,) = rows([CaptionedImages([ONE, TWO], "A sign: <image>.", "s")], prompt="Say.")

    assert {
        "id": "s",
        "image": ["a.jpg", "b.jpg"],
        "width_list": [4, 2],
        "height_list": [3, 5],
        "conversations": [
            {"from": "human", "value": "Image-1: <image>\nImage-2: <image>\nSay."},
            {"from": "gpt", "value": "A sign: ‹image›."},
        ],
    } == row


def test_rows_are_made_as_they_are_asked_for() -> None:
    """Captions may be endless."""

    def endless():
        while True:
            yield CaptionedImages([ONE], "A boat.")

    assert "a.jpg" == next(rows(endless(), "llava"))["image"]


def test_an_unknown_format_is_an_error_at_once() -> None:
    """It names those there are."""
    with pytest.raises(UsageError, match="unknown row format 'coco'; expected one of internvl, llava"):
        rows([], "coco")


def test_a_format_that_states_sizes_needs_them() -> None:
    """Others don't."""
    captions = [CaptionedImages([ImageRecord(key="a.jpg")], "A boat.")]

    assert "a.jpg" == next(rows(captions, "llava"))["image"]
    with pytest.raises(UsageError, match=r"a\.jpg has no width_px and height_px"):
        next(rows(captions, "internvl"))


def test_a_caption_of_no_image_is_an_error() -> None:
    """It says which."""
    with pytest.raises(UsageError, match="caption 2 has no images"):
        list(rows([CaptionedImages([ONE], "A boat."), CaptionedImages([], "A boat.")]))
