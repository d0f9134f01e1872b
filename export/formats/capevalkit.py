"""Predictions for CapEvalKit, which scores them with CLIPScore, PAC-S, Polos, VELA and others.

Source: "For VLM Developers" in CapEvalKit's documentation (``id``, ``caption``, ``image`` below
``--image-dir``). It scores captions of single images only; rows of sets have a list of images.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from triptych.export.formats.row_format import RowFormat, root_or_here
from triptych.records import ImageRecord


class PredictionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image."""

    id: str
    caption: str
    image: str


class SetPredictionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of a set."""

    id: str
    caption: str
    image: list[str]


class CapEvalKit(RowFormat):
    """``--format capevalkit``."""

    file_types = ("jsonl",)
    trains = False

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return SetPredictionRow if several_images else PredictionRow

    def row(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str
    ) -> msgspec.Struct:
        if len(images) > 1:
            return SetPredictionRow(id=identifier, caption=caption, image=[image.key for image in images])
        return PredictionRow(id=identifier, caption=caption, image=images[0].key)

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Predictions for CapEvalKit: `capevalkit score --metric clipscore --predictions FILE --image-dir"
            f" DIR`, with {root_or_here(image_root)} as DIR. It scores captions of single images."
        )
