"""InternVL chat rows, with image sizes, and the meta JSON that its trainer is started with.

Source: "Chat Data Format" in InternVL's documentation. One image: ``image``, ``width``, ``height``;
several: lists ``image``, ``width_list``, ``height_list``. Not its job: tags and words (see wording).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.export.config import ExportConfig
from triptych.export.formats.row_format import (
    Layout,
    RowFacts,
    ShownImage,
    Turn,
    encoded_once,
    entry_name,
    root_or_here,
)
from triptych.export.manifest import FileEntry


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


class InternVL:
    """The default format."""

    speakers = ("human", "gpt")

    def row_type(self, layout: Layout) -> type[msgspec.Struct]:
        return SingleRow if layout == "one image" else MultiRow

    def asked(self, question: str) -> Turn:
        return encoded_once(Turn("human", question))

    def single_row(self, identifier: str, image: ShownImage, asked: Turn, answer: str) -> SingleRow:
        return SingleRow(
            id=identifier,
            image=image.key,
            width=image.width_px,
            height=image.height_px,
            conversations=(asked, Turn("gpt", answer)),
        )

    def multi_row(self, identifier: str, images: Sequence[ShownImage], asked: Turn, answer: str) -> MultiRow:
        return MultiRow(
            id=identifier,
            image=[image.key for image in images],
            width_list=[image.width_px for image in images],
            height_list=[image.height_px for image in images],
            conversations=(asked, Turn("gpt", answer)),
        )

    def facts(self, row: msgspec.Struct) -> RowFacts:
        if isinstance(row, SingleRow):
            images, sizes = [row.image], [(row.width, row.height)]
        else:
            assert isinstance(row, MultiRow)
            if not len(row.image) == len(row.width_list) == len(row.height_list):
                raise ValueError(
                    f"{len(row.image)} images, {len(row.width_list)} widths, {len(row.height_list)} heights"
                )
            images, sizes = row.image, list(zip(row.width_list, row.height_list, strict=True))
        human, gpt = row.conversations
        return RowFacts(
            id=row.id,
            images=images,
            sizes_px=sizes,
            speakers=(human.speaker, gpt.speaker),
            question=human.value,
            answer=gpt.value,
        )

    def companions(
        self, config: ExportConfig, files: Mapping[str, FileEntry]
    ) -> Mapping[str, Mapping[str, object]]:
        meta = {
            entry_name(config, entry.job): {
                "root": config.image_root,
                "annotation": name,
                "data_augment": False,
                "repeat_time": 1,
                "length": entry.rows,
            }
            for name, entry in files.items()
            if entry.job is not None
        }
        return {f"{config.prefix}_meta.json": meta}

    def hint(self, config: ExportConfig) -> str:
        return (
            f"InternVL chat rows. `{config.prefix}_meta.json` is what InternVL's trainer is started with"
            f" (`--meta_path`); its `root` is {root_or_here(config)}."
        )
