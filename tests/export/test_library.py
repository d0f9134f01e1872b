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
def test_each_caption_becomes_a_row_in_order(name: str) -> None:
    """With one or several images, in every format."""
    captions = [CaptionedImages([ONE], "A boat.", "first"), CaptionedImages([ONE, TWO], "Boats.")]

    found = list(rows(captions, name, prompt="Say."))

    row_type = FORMATS[name].row_type
    typed = [
        msgspec.convert(row, row_type(several_images=several))
        for row, several in zip(found, (0, 1), strict=True)
    ]
    encoded = [msgspec.json.encode(row).decode() for row in typed]
    assert '"first"' in encoded[0]
    assert '"a.jpg+b.jpg"' in encoded[1]


def test_a_row_is_the_same_as_in_an_export() -> None:
    """It consists of plain dicts and lists, with reserved words in guillemets."""
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


def test_rows_are_made_lazily() -> None:
    """So captions can be endless."""

    def endless():
        while True:
            yield CaptionedImages([ONE], "A boat.")

    assert "a.jpg" == next(rows(endless(), "llava"))["image"]


def test_an_unknown_format_is_an_error_at_once() -> None:
    """Before the first row. It lists the formats."""
    with pytest.raises(UsageError, match="unknown row format 'coco'; expected one of internvl, llava"):
        rows([], "coco")


def test_a_format_with_image_sizes_requires_them() -> None:
    """Other formats don't."""
    captions = [CaptionedImages([ImageRecord(key="a.jpg")], "A boat.")]

    assert "a.jpg" == next(rows(captions, "llava"))["image"]
    with pytest.raises(UsageError, match=r"a\.jpg has no width_px and height_px"):
        next(rows(captions, "internvl"))


def test_a_caption_without_images_is_an_error() -> None:
    """It names the caption."""
    with pytest.raises(UsageError, match="caption 2 has no images"):
        list(rows([CaptionedImages([ONE], "A boat."), CaptionedImages([], "A boat.")]))
