"""The text of question and answer in a row.

Comes in: a prompt, a caption. Goes out: text without reserved words such as ``<image>``, and questions with a
tag for each image, for the formats that use tags. Not its job: the fields around the text (see formats).
"""

from __future__ import annotations

import functools
import re

from triptych.prompts import message_parts

IMAGE_TAG = "<image>"
"""Placeholder of an image in questions of InternVL, LLaVA, ms-swift and LLaMA-Factory."""

_RESERVED_WORD = re.compile(
    r"<(/?(?:[sS]|[^\s<>/](?:[^<>\n]{0,62}[^\s<>])))>|◁(/?[^\s◁▷]{1,64})▷|\[(/?[a-z]?[A-Z][A-Z0-9_]{1,30})\]"
)
"""Anything that looks like a special token of trainers and chat templates: words in angle brackets, capitals
in square ones. Which of them a tokenizer knows depends on the model. Of single letters only <s> counts."""


def without_reserved_words(text: str) -> str:
    """``text`` with the brackets of special tokens replaced by single guillemets, or by round brackets.

    A trainer replaces such words by images wherever they are, or ends a turn there, so a caption or prompt
    that contains one would break a row.

    >>> without_reserved_words("A sign that says <image>, and <|im_end|> below. [IMG]")
    'A sign that says ‹image›, and ‹|im_end|› below. (IMG)'
    """
    if "<" not in text and "[" not in text and "◁" not in text:
        return text
    while (changed := _RESERVED_WORD.sub(_other_brackets, text)) != text:  # they may be nested
        text = changed
    return text


def _other_brackets(found: re.Match[str]) -> str:
    angle, triangle, square = found.groups()
    return f"({square})" if square else f"‹{angle or triangle}›"


@functools.lru_cache(maxsize=256)
def tagged_question(prompt: str, image_count: int) -> str:
    """The question with a tag and a newline for each image, as in InternVL's own evaluation.

    >>> tagged_question("Describe both.", 2)
    'Image-1: <image>\\nImage-2: <image>\\nDescribe both.'
    """
    return "".join(f"{IMAGE_TAG}\n" if part is None else part for part in message_parts(prompt, image_count))
