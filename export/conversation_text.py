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
    r"<(/?(?:image|video|audio|img|start-image|quad|ref|ref-object|box|bbox|cot-process|s|bos|eos|pad|unk"
    r"|[a-z]+\d+|\w*_\w*)|\|\w+\|)>|\[(/?(?:img|inst|\w+_\w+))\]",
    re.IGNORECASE,
)
"""What the loaders of InternVL, LLaVA, lmdeploy, ms-swift and LLaMA-Factory, chat templates, and processors
of Gemma, PaliGemma and Pixtral take for an image or another special token wherever it stands."""


def without_reserved_words(text: str) -> str:
    """``text`` with reserved words in single guillemets.

    A trainer replaces such words by images wherever they stand, so a caption or prompt that spells one would
    shift or break a row. It stays readable, and the row stays whole.

    >>> without_reserved_words("A sign that says <image>.")
    'A sign that says ‹image›.'
    """
    return _RESERVED_WORD.sub(r"‹\1\2›", text) if "<" in text or "[" in text else text


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
