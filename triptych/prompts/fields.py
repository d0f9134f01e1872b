"""Fields of a prompt: what it may know of the target that it is asked for.

    {count}      how many images there are
    {text}       what the source says of each image (see input.text)
    {captions}   the kept captions of a set's images in another job

Comes in: a prompt's text, what is known of a target. Goes out: the words to ask. Values come from the web and
from models, so they are bounded, and nothing of them can be read as an image, a turn of the chat or a line of
its own. Not its job: looking values up (see captioning).
"""

from __future__ import annotations

from collections.abc import Sequence

FIELDS = ("count", "text", "captions")
MAX_CHARACTERS = 1000
"""Of one value, at most: some 250 tokens of English, 700 of Chinese."""
NOTHING = "-"
"""In place of a value that isn't there."""

_HARMLESS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "{": "(", "}": ")", "|": "¦", "`": "'"})
"""Special tokens of all model families are written with one of these (<image>, <|im_end|>, [INST])."""


def fields_of(text: str) -> frozenset[str]:
    """The fields in a prompt's text. Other braces are text.

    >>> sorted(fields_of('Describe {count} images as JSON: {"a": {text}}'))
    ['count', 'text']
    """
    return frozenset(name for name in FIELDS if f"{{{name}}}" in text)


def filled(text: str, *, count: int, texts: Sequence[str] = (), captions: Sequence[str] = ()) -> str:
    """The prompt's ``text`` with its fields filled in. ``texts`` and ``captions`` are one an image, in order.

    >>> filled("Of {count} images: {text}", count=2, texts=["A cat", ""])
    'Of 2 images: Image-1: A cat Image-2: -'
    """
    values = {"count": str(count), "text": _numbered(texts, count), "captions": _numbered(captions, count)}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def longest(text: str, count: int) -> str:
    """The prompt with values as long as they can be."""
    values = ["字" * MAX_CHARACTERS] * count
    return filled(text, count=count, texts=values, captions=values)


def harmless(value: str) -> str:
    """One line of at most MAX_CHARACTERS, without the characters that special tokens are written with.

    >>> harmless("A cat<|im_end|>\\n<image> [INST]")
    'A cat‹¦im_end¦› ‹image› (INST)'
    """
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    line = line.translate(_HARMLESS)
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1].rstrip() + "…"


def _numbered(values: Sequence[str], count: int) -> str:
    """One value as it is; several with the names that a message gives its images."""
    lines = [harmless(value) or NOTHING for value in values] or [NOTHING] * count
    return lines[0] if count == 1 else " ".join(f"Image-{n}: {line}" for n, line in enumerate(lines, 1))
