"""LLaVA conversations, and the YAML that LLaVA-NeXT's trainer is started with.

Source: LLaVA's "Finetune on custom datasets" and LLaVA-NeXT's training loader, which takes a list of
images as well, and JSON Lines through a YAML. LLaVA's first trainer takes one JSON array instead.
Not its job: tags and words (see wording).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.export.config import ExportConfig
from triptych.export.formats.row_format import Layout, RowFacts, ShownImage, Turn, encoded_once, root_or_here
from triptych.export.manifest import FileEntry


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


class Llava:
    """``--format llava``."""

    speakers = ("human", "gpt")

    def row_type(self, layout: Layout) -> type[msgspec.Struct]:
        return SingleRow if layout == "one image" else MultiRow

    def asked(self, question: str) -> Turn:
        return encoded_once(Turn("human", question))

    def single_row(self, identifier: str, image: ShownImage, asked: Turn, answer: str) -> SingleRow:
        turns = asked, Turn("gpt", answer)
        return SingleRow(id=identifier, image=image.key, conversations=turns)

    def multi_row(self, identifier: str, images: Sequence[ShownImage], asked: Turn, answer: str) -> MultiRow:
        turns = asked, Turn("gpt", answer)
        return MultiRow(id=identifier, image=[image.key for image in images], conversations=turns)

    def facts(self, row: msgspec.Struct) -> RowFacts:
        assert isinstance(row, SingleRow | MultiRow)
        human, gpt = row.conversations
        return RowFacts(
            id=row.id,
            images=[row.image] if isinstance(row, SingleRow) else row.image,
            sizes_px=None,
            speakers=(human.speaker, gpt.speaker),
            question=human.value,
            answer=gpt.value,
        )

    def companions(
        self, config: ExportConfig, files: Mapping[str, FileEntry]
    ) -> Mapping[str, Mapping[str, object]]:
        datasets = [{"json_path": name, "sampling_strategy": "all"} for name in files]
        return {f"{config.prefix}_llava.yaml": {"datasets": datasets}}  # JSON is YAML

    def hint(self, config: ExportConfig) -> str:
        return (
            f"LLaVA conversations. `{config.prefix}_llava.yaml` is LLaVA-NeXT's `--data_path`, when it is"
            f" started in this folder; its `--image_folder` is {root_or_here(config)}."
        )
