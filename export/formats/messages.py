"""OpenAI-style messages beside a list of images: rows of ms-swift and of LLaMA-Factory.

Source: "Custom dataset" in ms-swift's documentation (``messages``, ``images``), and LLaMA-Factory's
``data/README.md`` (``sharegpt`` formatting with ``role``/``content`` tags and an ``images`` column).
The rows are the same; how the trainer is told of them isn't. Not its job: tags and words (see wording).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.export.config import ExportConfig
from triptych.export.formats.row_format import (
    Layout,
    RowFacts,
    ShownImage,
    encoded_once,
    entry_name,
    root_or_here,
)
from triptych.export.manifest import FileEntry


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One side's words."""

    role: str
    content: str


class MessagesRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image or of a set, images in the order of the tags."""

    id: str
    messages: tuple[Message, Message]
    images: list[str]


class _Messages:
    speakers = ("user", "assistant")

    def row_type(self, layout: Layout) -> type[msgspec.Struct]:
        return MessagesRow

    def asked(self, question: str) -> Message:
        return encoded_once(Message("user", question))

    def single_row(self, identifier: str, image: ShownImage, asked: Message, answer: str) -> MessagesRow:
        turns = asked, Message("assistant", answer)
        return MessagesRow(id=identifier, messages=turns, images=[image.key])

    def multi_row(
        self, identifier: str, images: Sequence[ShownImage], asked: Message, answer: str
    ) -> MessagesRow:
        turns = asked, Message("assistant", answer)
        return MessagesRow(id=identifier, messages=turns, images=[image.key for image in images])

    def facts(self, row: msgspec.Struct) -> RowFacts:
        assert isinstance(row, MessagesRow)
        user, assistant = row.messages
        return RowFacts(
            id=row.id,
            images=row.images,
            sizes_px=None,
            speakers=(user.role, assistant.role),
            question=user.content,
            answer=assistant.content,
        )


class MsSwift(_Messages):
    """``--format ms-swift``: its ``--dataset`` takes the files themselves."""

    def companions(
        self, config: ExportConfig, files: Mapping[str, FileEntry]
    ) -> Mapping[str, Mapping[str, object]]:
        return {}

    def hint(self, config: ExportConfig) -> str:
        return (
            f"ms-swift messages: each file is a `--dataset`; set `ROOT_IMAGE_DIR` to {root_or_here(config)}."
        )


class LlamaFactory(_Messages):
    """``--format llama-factory``: the folder is its ``dataset_dir``, by way of dataset_info.json."""

    def companions(
        self, config: ExportConfig, files: Mapping[str, FileEntry]
    ) -> Mapping[str, Mapping[str, object]]:
        info = {
            entry_name(config, entry.job): {
                "file_name": name,
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "images": "images"},
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                },
            }
            for name, entry in files.items()
            if entry.job is not None
        }
        return {"dataset_info.json": info}

    def hint(self, config: ExportConfig) -> str:
        return (
            "LLaMA-Factory rows (`sharegpt`): this folder is its `dataset_dir`, `dataset_info.json` names"
            f" the files; its `media_dir` is {root_or_here(config)}."
        )
