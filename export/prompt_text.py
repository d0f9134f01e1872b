"""What the two sides of a row say: the question with a tag for each image, and the caption.

Comes in: a prompt, a caption. Goes out: text. ``<image>`` stands in the question
exactly once for each image and never in the answer. Not its job: the fields around them (see formats).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from triptych.export.formats.row_format import Layout

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


def answers(texts: Sequence[str]) -> tuple[list[str], int]:
    """Captions as their rows have them, and how many of them spelled a tag."""
    said, rewritten = list(texts), 0
    for place in [place for place, text in enumerate(texts) if "<" in text]:
        said[place] = without_tags(texts[place])
        rewritten += said[place] != texts[place]
    return said, rewritten
