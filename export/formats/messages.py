"""OpenAI-style messages with a list of images: rows of ms-swift and of LLaMA-Factory.

Source: "Custom dataset" in ms-swift's documentation (``messages``, ``images``), and LLaMA-Factory's
``data/README.md`` (``sharegpt`` formatting with ``role``/``content`` tags and an ``images`` column).
The rows are the same; the trainers' configuration files aren't.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from triptych.export.conversation_text import tagged_question
from triptych.export.formats.row_format import (
    Companions,
    FilledFile,
    RowFormat,
    root_or_here,
)
from triptych.records import ImageRecord


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One message."""

    role: str
    content: str


class MessagesRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image or of a set, images in the order of the tags."""

    id: str
    messages: tuple[Message, Message]
    images: list[str]


class _Messages(RowFormat):
    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return MessagesRow

    def row(self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str) -> MessagesRow:
        return MessagesRow(
            id=identifier,
            messages=(
                Message("user", tagged_question(prompt, len(images))),
                Message("assistant", caption),
            ),
            images=[image.key for image in images],
        )


class MsSwift(_Messages):
    """``--format ms-swift``: its ``--dataset`` takes the files themselves."""

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "ms-swift messages: each file is a `--dataset`; set `ROOT_IMAGE_DIR` to"
            f" {root_or_here(image_root)}. `<image>` stands in a row once for each image."
        )


class LlamaFactory(_Messages):
    """``--format llama-factory``: the export is its ``dataset_dir``, with a dataset_info.json."""

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        tags = {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        }
        return dataset_info(files, columns={"messages": "messages", "images": "images"}, tags=tags)

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "LLaMA-Factory rows (`sharegpt`): this folder is its `dataset_dir`, `dataset_info.json` names"
            f" the files; its `media_dir` is {root_or_here(image_root)}. `<image>` stands in a row once for"
            " each image."
        )


def dataset_info(files: Sequence[FilledFile], **layout: object) -> Companions:
    """LLaMA-Factory's dataset_info.json, with this layout of the rows."""
    info = {file.entry: {"file_name": file.name, "formatting": "sharegpt", **layout} for file in files}
    return {"dataset_info.json": info}
