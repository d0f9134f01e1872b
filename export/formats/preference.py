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

from triptych.export.conversation_text import tagged_question
from triptych.export.formats.chat_parts import Part, PartsMessage, parts_question
from triptych.export.formats.messages import dataset_info
from triptych.export.formats.row_format import (
    Companions,
    FilledFile,
    RowFormat,
    Turn,
    root_or_here,
)
from triptych.prompts.statements import statements
from triptych.records import ImageRecord

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


class Preference(RowFormat):
    """``--format preference``: TRL's."""

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return PairRow

    def row(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str
    ) -> msgspec.Struct:
        return self.pair(identifier, prompt, images, caption, cut(caption))

    def pair(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str, rejected: Rejected
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

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Pairs for TRL's DPOTrainer: `prompt`, `chosen`, `rejected` and `images`, paths below"
            f" {root_or_here(image_root)}. With `datasets`, put that folder before each path and cast the"
            f" column to `List(Image())`. {_HOW}"
        )


class PreferenceLlamaFactory(Preference):
    """``--format preference-llama-factory``: the export is its ``dataset_dir``, with a dataset_info.json."""

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return TurnsPairRow

    def pair(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str, rejected: Rejected
    ) -> msgspec.Struct:
        return TurnsPairRow(
            id=identifier,
            images=[image.key for image in images],
            conversations=(Turn("human", tagged_question(prompt, len(images))),),
            chosen=Turn("gpt", caption),
            rejected=Turn("gpt", rejected.text),
            rejected_by=rejected.by,
        )

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        names = {name: name for name in ("chosen", "rejected", "images")}
        return dataset_info(files, ranking=True, columns={"messages": "conversations", **names})

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Pairs for DPO in LLaMA-Factory: this folder is its `dataset_dir`, `dataset_info.json` names the"
            f" files as ranked ones; its `media_dir` is {root_or_here(image_root)}. {_HOW}"
        )
