"""InternVL chat rows, with image sizes, and the meta JSON for its trainer.

Source: "Chat Data Format" in InternVL's documentation. One image: ``image``, ``width``, ``height``;
several: lists ``image``, ``width_list``, ``height_list``. The question has an ``<image>`` for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from triptych.export.conversation_text import tagged_question
from triptych.export.formats.row_format import (
    Companions,
    FilledFile,
    RowFormat,
    Turn,
    root_or_here,
)
from triptych.records import ImageRecord


class SingleRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image. Sizes in pixels, of the upright picture."""

    id: str
    image: str
    width: int
    height: int
    conversations: tuple[Turn, Turn]


class MultiRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of a set. The lists have one entry an image, in the order of the tags."""

    id: str
    image: list[str]
    width_list: list[int]
    height_list: list[int]
    conversations: tuple[Turn, Turn]


class InternVL(RowFormat):
    """``--format internvl``, the default."""

    states_sizes = True

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return MultiRow if several_images else SingleRow

    def row(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str
    ) -> SingleRow | MultiRow:
        turns = Turn("human", tagged_question(prompt, len(images))), Turn("gpt", caption)
        if len(images) > 1:
            return MultiRow(
                id=identifier,
                image=[image.key for image in images],
                width_list=[image.width_px for image in images],
                height_list=[image.height_px for image in images],
                conversations=turns,
            )
        (image,) = images
        return SingleRow(
            id=identifier,
            image=image.key,
            width=image.width_px,
            height=image.height_px,
            conversations=turns,
        )

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        meta = {
            file.entry: {
                "root": image_root,
                "annotation": file.name,
                "data_augment": False,
                "repeat_time": 1,
                "length": file.rows,
            }
            for file in files
        }
        return {f"{prefix}_meta.json": meta}

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            f"InternVL chat rows. `{prefix}_meta.json` is what InternVL's trainer is started with"
            " (`--meta_path`), in this folder, or with its path before each `annotation`; its `root` is"
            f" {root_or_here(image_root)}. `<image>` stands in a row once for each image."
        )
