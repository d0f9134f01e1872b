"""LLaVA conversations, and the YAML for LLaVA-NeXT's trainer.

Source: LLaVA's "Finetune on custom datasets" and LLaVA-NeXT's training loader, which also accepts a list of
images, and JSON Lines through a YAML. The original LLaVA trainer wants one JSON array instead.
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
    """A caption of one image."""

    id: str
    image: str
    conversations: tuple[Turn, Turn]


class MultiRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of a set, images in the order of the tags."""

    id: str
    image: list[str]
    conversations: tuple[Turn, Turn]


class Llava(RowFormat):
    """``--format llava``."""

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return MultiRow if several_images else SingleRow

    def row(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str
    ) -> SingleRow | MultiRow:
        turns = Turn("human", tagged_question(prompt, len(images))), Turn("gpt", caption)
        keys = [image.key for image in images]
        if len(keys) > 1:
            return MultiRow(id=identifier, image=keys, conversations=turns)
        return SingleRow(id=identifier, image=keys[0], conversations=turns)

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        datasets = [{"json_path": file.name, "sampling_strategy": "all"} for file in files]
        return {f"{prefix}_llava.yaml": {"datasets": datasets}}  # JSON is YAML

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            f"LLaVA conversations. `{prefix}_llava.yaml` is LLaVA-NeXT's `--data_path`, when it is started in"
            f" this folder; its `--image_folder` is {root_or_here(image_root)}. `<image>` stands in a row"
            " once for each image."
        )
