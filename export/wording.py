"""What the two sides of a row say: the question with a tag for each image, and the caption.

Comes in: a prompt, a caption. Goes out: JSON strings, or text. ``<image>`` stands in the question
exactly once for each image and never in the answer. Not its job: the fields around them (see formats).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import msgspec

from export.row_format import Layout, json_text

IMAGE_TAG = "<image>"

_RESERVED_TAG = re.compile(
    r"<(/?(?:image|video|audio|img|img_context|image_token|start-image|quad|ref|ref-object|box|bbox"
    r"|cot-process)|\|\w+\|)>",
    re.IGNORECASE,
)
"""What the loaders of InternVL, LLaVA, lmdeploy, ms-swift and LLaMA-Factory take for an image or another
special token wherever it stands."""


def without_tags(text: str) -> str:
    """``text`` with reserved tags in single guillemets: ``<image>`` becomes ``‹image›``.

    A trainer replaces tags by images wherever they stand, so a caption or prompt that spells one
    would shift or break a row. It stays readable, and the row stays whole.
    """
    return _RESERVED_TAG.sub(r"‹\1›", text)


@functools.lru_cache(maxsize=256)
def question(layout: Layout, images: int, prompt: str) -> str:
    """Tags, then the prompt. Several images are numbered from 1, as InternVL's own evaluation does."""
    if layout == "one image":
        tags = f"{IMAGE_TAG}\n"
    else:
        tags = "".join(f"Image-{number}: {IMAGE_TAG}\n" for number in range(1, images + 1))
    return tags + without_tags(prompt)


@functools.lru_cache(maxsize=256)
def question_json(layout: Layout, images: int, prompt: str) -> bytes:
    """The question as a JSON string."""
    return json_text(question(layout, images, prompt))


_ESCAPE = re.compile(rb"\\[u/]")
"""An escape that could stand for an angle bracket or a slash."""


def answers_json(texts: Sequence[msgspec.Raw]) -> tuple[Sequence[msgspec.Raw | bytes], int]:
    """Journalled captions, JSON strings, as their rows have them; and how many differ from what was written.

    Where none of them has an angle bracket or an escape that could stand for one, they are taken as they
    are, if they are UTF-8. Raises ValueError where one is not.
    """
    block = b"".join(texts)
    if _is_utf8(block) and b"<" not in block and not _ESCAPE.search(block):
        return texts, 0
    answers = [_answer_json(bytes(text)) for text in texts]
    return [answer for answer, _ in answers], sum(was_rewritten for _, was_rewritten in answers)


def _answer_json(text: bytes) -> tuple[bytes, bool]:
    written: str = msgspec.json.decode(text, type=str)
    kept = without_tags(written)
    return json_text(kept), kept != written


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
