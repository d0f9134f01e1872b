"""What the two sides of a row say: the question with its images, and the caption.

Comes in: a prompt, a caption. Goes out: text in which no word stands for an image by accident, and the
question of those formats that mark images with a tag. Not its job: the fields around the text (see formats).
"""

from __future__ import annotations

import functools
import re

from triptych.prompts import message_parts

IMAGE_TAG = "<image>"
"""Stands for an image in the question of InternVL, LLaVA, ms-swift and LLaMA-Factory."""

_RESERVED_WORD = re.compile(
    r"<(/?(?:[sS]|[^\s<>/](?:[^<>\n]{0,62}[^\s<>])))>|◁(/?[^\s◁▷]{1,64})▷|\[(/?[a-z]?[A-Z][A-Z0-9_]{1,30})\]"
)
"""What looks like a tag: of trainers and chat templates alike, special tokens are words in angle brackets, or
capitals in square ones. Which of them a tokenizer knows differs from model to model; one letter is none but
for <s>."""


def without_reserved_words(text: str) -> str:
    """``text`` with what looks like a tag in single guillemets, or in round brackets.

    A trainer replaces such words by images wherever they stand, or ends a turn there, so a caption or prompt
    that spells one would shift or break a row. It stays readable, and the row stays whole.

    >>> without_reserved_words("A sign that says <image>, and <|im_end|> below. [IMG]")
    'A sign that says ‹image›, and ‹|im_end|› below. (IMG)'
    """
    if "<" not in text and "[" not in text and "◁" not in text:
        return text
    while (changed := _RESERVED_WORD.sub(_as_words, text)) != text:  # one may stand within another
        text = changed
    return text


def _as_words(found: re.Match[str]) -> str:
    angle, triangle, square = found.groups()
    return f"({square})" if square else f"‹{angle or triangle}›"


@functools.lru_cache(maxsize=256)
def question_parts(prompt: str, image_count: int) -> tuple[str | None, ...]:
    """The question in parts, as the model was asked it: words, or None where the next image stands.

    >>> question_parts("Describe both.", 2)
    ('Image-1: ', None, 'Image-2: ', None, 'Describe both.')
    """
    return tuple(message_parts(prompt, image_count))


@functools.lru_cache(maxsize=256)
def tagged_question(prompt: str, image_count: int) -> str:
    """The question with a tag and a newline for each image, as InternVL's own evaluation writes it.

    >>> tagged_question("Describe both.", 2)
    'Image-1: <image>\\nImage-2: <image>\\nDescribe both.'
    """
    return "".join(f"{IMAGE_TAG}\n" if part is None else part for part in question_parts(prompt, image_count))


def parts_of(question: str) -> tuple[str | None, ...]:
    """The parts of a tagged question.

    >>> parts_of("<image>\\nDescribe it.")
    (None, 'Describe it.')
    """
    parts: list[str | None] = []
    for words in question.split(f"{IMAGE_TAG}\n"):
        parts += [words, None] if words else [None]
    return tuple(parts[:-1])
