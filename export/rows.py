"""Kept captions as InternVL chat rows.

Comes in: a target, its caption's text, the prompt it answers. Goes out: a row. ``<image>`` stands in
it exactly once for each image. Not its job: files (see stage).
"""

from __future__ import annotations

import re

import msgspec

from corpus.plan import Target

IMAGE_TAG = "<image>"

_RESERVED_TAG = re.compile(
    r"<(/?(?:image|video|img|img_context|image_token|quad|ref|box)|\|\w+\|)>", re.IGNORECASE
)
"""What InternVL's and lmdeploy's loaders take for an image or another special token wherever it stands."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side's words."""

    speaker: str = msgspec.field(name="from")
    """``human`` or ``gpt``."""
    value: str


class SingleRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caption of one image. Sizes in pixels, of the upright picture."""

    id: str
    image: str
    width: int
    height: int
    conversations: tuple[Turn, Turn]


class MultiRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caption of a set. The lists have one entry an image, in the order of the tags."""

    id: str
    image: list[str]
    width_list: list[int]
    height_list: list[int]
    conversations: tuple[Turn, Turn]


def single_row(target: Target, text: str, prompt: str) -> SingleRow:
    """The row of a caption of one image. Its id is the caption's id, unique over all four files."""
    (image,) = target.images
    return SingleRow(
        id=target.id,
        image=image.key,
        width=image.width_px,
        height=image.height_px,
        conversations=_conversation(f"{IMAGE_TAG}\n", prompt, text),
    )


def multi_row(target: Target, text: str, prompt: str) -> MultiRow:
    """The row of a caption of a set: images numbered from 1, as InternVL's own evaluation does."""
    numbered = "".join(f"Image-{number}: {IMAGE_TAG}\n" for number in range(1, len(target.images) + 1))
    return MultiRow(
        id=target.id,
        image=[image.key for image in target.images],
        width_list=[image.width_px for image in target.images],
        height_list=[image.height_px for image in target.images],
        conversations=_conversation(numbered, prompt, text),
    )


def without_tags(text: str) -> str:
    """``text`` with reserved tags in single guillemets: ``<image>`` becomes ``‹image›``.

    A trainer replaces tags by images wherever they stand, so a caption or prompt that spells one
    would shift or break a row. It stays readable, and the row stays whole.
    """
    return _RESERVED_TAG.sub(r"‹\1›", text)


def _conversation(images: str, prompt: str, text: str) -> tuple[Turn, Turn]:
    return Turn("human", images + without_tags(prompt)), Turn("gpt", without_tags(text))
