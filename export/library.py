"""Rows without a run folder, for library use.

Comes in: captions with their images. Goes out: rows of a format as dicts, in the order of the captions. Not
its job: files (see stage), judging captions (see filtering).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from triptych.errors import UsageError, expect
from triptych.export.conversation_text import without_reserved_words
from triptych.export.formats import FORMATS
from triptych.languages import without_invisible
from triptych.records import ImageRecord

DEFAULT_PROMPT = "Describe the image in detail."
"""The question in a row if no other is given."""


class CaptionedImages(msgspec.Struct, frozen=True):
    """A caption and its image, or its images in order."""

    images: Sequence[ImageRecord]
    """The ``key`` of each is its path in the row."""
    text: str
    id: str = ""
    """Empty: the keys of the images, joined by ``+``."""


def rows(
    captions: Iterable[CaptionedImages], format: str = "internvl", *, prompt: str = DEFAULT_PROMPT
) -> Iterator[dict[str, Any]]:
    """A row of ``format`` for each caption, one at a time.

    ``prompt`` is the question that the captions answer. Words that trainers replace by images, such as
    ``<image>``, are written in guillemets (‹image›). Raises UsageError for an unknown format, for what is no
    CaptionedImages, for a caption without images, and for an image without a size where the format states
    sizes.

    >>> boat = ImageRecord(key="a/boat.jpg", width_px=640, height_px=480)
    >>> next(rows([CaptionedImages([boat], "A red boat.")], "llava", prompt="Describe it."))
    {'id': 'a/boat.jpg', 'image': 'a/boat.jpg', 'conversations': [{'from': 'human', 'value': \
'<image>\\nDescribe it.'}, {'from': 'gpt', 'value': 'A red boat.'}]}
    """
    expect(captions, Iterable, "captions")
    expect(prompt, str, "prompt")
    if format not in tuple(FORMATS):
        raise UsageError(f"unknown row format {format!r}; expected one of {', '.join(FORMATS)}")
    return _rows(captions, format, without_reserved_words(prompt))


def _rows(captions: Iterable[CaptionedImages], format: str, prompt: str) -> Iterator[dict[str, Any]]:
    row_format = FORMATS[format]
    for number, given in enumerate(captions, start=1):
        try:
            caption = msgspec.convert(msgspec.to_builtins(given), CaptionedImages)
        except (TypeError, msgspec.ValidationError) as error:
            raise UsageError(
                f"caption {number}: {error}; expected CaptionedImages, of ImageRecords and a text"
            ) from None
        if not caption.images:
            raise UsageError(f"caption {number} has no images; expected at least one ImageRecord")
        unknown = [image.key for image in caption.images if min(image.width_px, image.height_px) < 1]
        if row_format.states_sizes and unknown:
            raise UsageError(
                f"{unknown[0]} has no width_px and height_px, which rows of {format} need; set both, or"
                " choose another format"
            )
        identifier = caption.id or "+".join(image.key for image in caption.images)
        text = without_reserved_words(without_invisible(caption.text))
        row = row_format.row(identifier, prompt, caption.images, text)
        try:
            yield msgspec.json.decode(msgspec.json.encode(row))
        except UnicodeEncodeError as error:
            raise UsageError(f"caption {number} can't be written as UTF-8: {error.reason}") from None
