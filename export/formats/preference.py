"""Pairs of a better and a worse caption of the same images: rows for DPO in TRL and LLaMA-Factory.

Source: "Preference" and "Vision" in TRL's "Dataset formats and types" (``prompt``, ``chosen`` and
``rejected`` as messages in parts, ``images`` beside them), and "Preference Dataset" and "Multimodal Image
Dataset" of the ``sharegpt`` format in LLaMA-Factory's ``data/README.md``. Each row also says why its worse
caption is worse (see export.rejected).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from triptych.export.conversation_text import parts_of, tagged_question
from triptych.export.formats.chat_parts import Part, PartsMessage, parts_question
from triptych.export.formats.row_format import (
    Companions,
    FilledFile,
    FormatDefaults,
    RowFacts,
    ShownImage,
    Turn,
    root_or_here,
)
from triptych.prompts.statements import statements

RejectedBy = Literal["people", "check", "swapped", "other image", "cut"]


class Rejected(NamedTuple):
    """A caption that is worse than the kept one, and why."""

    text: str
    by: RejectedBy


def cut(text: str) -> Rejected:
    """The first half of ``text``, in whole sentences where it has several."""
    found = statements(text, 1, None)
    end = found[len(found) // 2 - 1].end if len(found) > 1 else len(text) // 2
    return Rejected(text[:end].rstrip(), "cut")


_HOW = (
    "`rejected_by` says where the worse one is from: `check` and `people` are what the model wrote, before"
    " sentences that a second model denied were taken out, or a person wrote another; `swapped` has the parts"
    " of two images exchanged, `other image` a sentence of another caption, `cut` half of the sentences."
)


class PairRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Two captions as messages in parts."""

    id: str
    images: list[str]
    prompt: tuple[PartsMessage]
    chosen: tuple[PartsMessage]
    rejected: tuple[PartsMessage]
    rejected_by: RejectedBy


class TurnsPairRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Two captions as turns."""

    id: str
    images: list[str]
    conversations: tuple[Turn]
    chosen: Turn
    rejected: Turn
    rejected_by: RejectedBy


class Preference(FormatDefaults):
    """``--format preference``: TRL's."""

    speakers = ("user", "assistant")

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return PairRow

    def row(self, identifier: str, prompt: str, images: Sequence[ShownImage], caption: str) -> msgspec.Struct:
        return self.pair(identifier, prompt, images, caption, cut(caption))

    def pair(
        self, identifier: str, prompt: str, images: Sequence[ShownImage], caption: str, rejected: Rejected
    ) -> msgspec.Struct:
        """A row with the worse caption ``rejected``. In ``row`` that is half of the better one."""
        return PairRow(
            id=identifier,
            images=[image.key for image in images],
            prompt=(parts_question(prompt, len(images)),),
            chosen=(PartsMessage("assistant", [Part("text", caption)]),),
            rejected=(PartsMessage("assistant", [Part("text", rejected.text)]),),
            rejected_by=rejected.by,
        )

    def facts(self, row: msgspec.Struct) -> RowFacts:
        assert isinstance(row, PairRow)
        (user,), (chosen,), (rejected,) = row.prompt, row.chosen, row.rejected
        if len(chosen.content) != 1 or len(rejected.content) != 1 or rejected.role != chosen.role:
            raise ValueError("expected one part of text from the same side in chosen and rejected")
        return RowFacts(
            id=row.id,
            images=row.images,
            speakers=(user.role, chosen.role),
            question=tuple(part.text for part in user.content),
            answer=chosen.content[0].text or "",
        )

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Pairs for TRL's DPOTrainer: `prompt`, `chosen`, `rejected` and `images`, paths below"
            f" {root_or_here(image_root)}. With `datasets`, put that folder before each path and cast the"
            f" column to `List(Image())`. {_HOW}"
        )


class PreferenceLlamaFactory(Preference):
    """``--format preference-llama-factory``: the export is its ``dataset_dir``, with a dataset_info.json."""

    speakers = ("human", "gpt")

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return TurnsPairRow

    def pair(
        self, identifier: str, prompt: str, images: Sequence[ShownImage], caption: str, rejected: Rejected
    ) -> msgspec.Struct:
        return TurnsPairRow(
            id=identifier,
            images=[image.key for image in images],
            conversations=(Turn("human", tagged_question(prompt, len(images))),),
            chosen=Turn("gpt", caption),
            rejected=Turn("gpt", rejected.text),
            rejected_by=rejected.by,
        )

    def facts(self, row: msgspec.Struct) -> RowFacts:
        assert isinstance(row, TurnsPairRow)
        (asked,) = row.conversations
        if row.rejected.speaker != row.chosen.speaker:
            raise ValueError("expected chosen and rejected from the same side")
        return RowFacts(
            id=row.id,
            images=row.images,
            speakers=(asked.speaker, row.chosen.speaker),
            question=parts_of(asked.value),
            answer=row.chosen.value,
        )

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        columns = {
            "messages": "conversations",
            "chosen": "chosen",
            "rejected": "rejected",
            "images": "images",
        }
        info = {
            file.entry: {
                "file_name": file.name,
                "formatting": "sharegpt",
                "ranking": True,
                "columns": columns,
            }
            for file in files
        }
        return {"dataset_info.json": info}

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Pairs for DPO in LLaMA-Factory: this folder is its `dataset_dir`, `dataset_info.json` names the"
            f" files as ranked ones; its `media_dir` is {root_or_here(image_root)}. {_HOW}"
        )
