"""Messages whose content is a list of parts, such as ``{"type": "image"}``, for chat templates.

Source: "Vision datasets" in TRL's documentation (``messages`` with parts, ``images`` beside them), "Dataset
Format" of Axolotl's multimodal documentation, which fills each image part from ``images``, and "Multimodal
chat templates" in that of transformers. Each image part stands for the next of ``images``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from triptych.export.formats.row_format import RowFormat, root_or_here
from triptych.prompts import message_parts
from triptych.records import ImageRecord


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Text, or the place of an image."""

    type: str
    """``text`` or ``image``."""
    text: str | None = None


class PartsMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A message as a list of parts."""

    role: str
    content: list[Part]


class PartsRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image or of a set, images in the order of the image parts."""

    id: str
    messages: tuple[PartsMessage, PartsMessage]
    images: list[str]


class ChatParts(RowFormat):
    """``--format chat-parts``."""

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return PartsRow

    def row(self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str) -> PartsRow:
        return PartsRow(
            id=identifier,
            messages=(
                parts_question(prompt, len(images)),
                PartsMessage("assistant", [Part("text", caption)]),
            ),
            images=[image.key for image in images],
        )

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Messages in parts, as TRL, Axolotl and chat templates of Hugging Face read them: each part"
            ' `{"type": "image"}` stands for the next of `images`, paths below'
            f" {root_or_here(image_root)}. With `datasets`, put that folder before each path and cast the"
            " column to `List(Image())`."
        )


@functools.lru_cache(maxsize=256)
def parts_question(prompt: str, image_count: int) -> PartsMessage:
    """The question as a message. Cached, since it is the same for all rows with as many images."""
    parts = message_parts(prompt, image_count)
    return PartsMessage("user", [Part("image") if part is None else Part("text", part) for part in parts])
