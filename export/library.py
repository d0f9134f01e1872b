"""Rows without a run folder: the library's own way in.

Comes in: captions with the images that they are of. Goes out: rows of a format as dicts, in the order in
which captions came. Not its job: files (see stage), judging captions (see filtering).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from triptych.errors import UsageError
from triptych.export.conversation_text import without_reserved_words
from triptych.export.formats import FORMATS
from triptych.languages import without_invisible
from triptych.records import ImageRecord

DEFAULT_PROMPT = "Describe the image in detail."
"""Asked of a single image where no prompt is named."""


class CaptionedImages(msgspec.Struct, frozen=True):
    """A caption and the image, or the images in order, that it is of."""

    images: Sequence[ImageRecord]
    """Of each, ``key`` is the path that a row has."""
    text: str
    id: str = ""
    """Empty: the keys of the images, joined by ``+``."""


def rows(
    captions: Iterable[CaptionedImages], format: str = "internvl", *, prompt: str = DEFAULT_PROMPT
) -> Iterator[dict[str, Any]]:
    """A row of ``format`` for each caption, one at a time.

    ``prompt`` is what the captions answer. Words that trainers take for images, such as ``<image>``, come out
    in guillemets (‹image›) from prompt and captions. Raises UsageError for a format that there isn't, for a
    caption of no image, and where a format states the sizes of images and one has none.

    >>> boat = ImageRecord(key="a/boat.jpg", width_px=640, height_px=480)
    >>> next(rows([CaptionedImages([boat], "A red boat.")], "llava", prompt="Describe it."))
    {'id': 'a/boat.jpg', 'image': 'a/boat.jpg', 'conversations': [{'from': 'human', 'value': \
'<image>\\nDescribe it.'}, {'from': 'gpt', 'value': 'A red boat.'}]}
    """
    if format not in FORMATS:
        raise UsageError(f"unknown row format {format!r}; expected one of {', '.join(FORMATS)}")
    return _rows(captions, format, without_reserved_words(prompt))


def _rows(captions: Iterable[CaptionedImages], format: str, prompt: str) -> Iterator[dict[str, Any]]:
    row_format = FORMATS[format]
    for number, caption in enumerate(captions, start=1):
        if not caption.images:
            raise UsageError(f"caption {number} is of no image; expected at least one ImageRecord")
        unknown = [image.key for image in caption.images if not (image.width_px and image.height_px)]
        if row_format.states_sizes and unknown:
            raise UsageError(
                f"{unknown[0]}: no width_px and height_px, which rows of {format} state; give both, or choose"
                " another format"
            )
        identifier = caption.id or "+".join(image.key for image in caption.images)
        row = row_format.row(
            identifier, prompt, caption.images, without_reserved_words(without_invisible(caption.text))
        )
        yield msgspec.json.decode(msgspec.json.encode(row))
