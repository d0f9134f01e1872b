"""Fields of a prompt, which are filled in for each target.

    {count}      how many images there are
    {text}       the source's text on each image (see input.text)
    {captions}   the kept captions of a set's images in another job

Comes in: a prompt's text, the values for a target. Goes out: the prompt to send. Values come from the web and
from models, so their length is bounded, and they can't contain special tokens or line breaks. Not its job:
looking values up (see captioning).
"""

from __future__ import annotations

from collections.abc import Sequence

FIELDS = ("count", "text", "captions")
MAX_CHARACTERS = 1000
"""The limit for one value: about 250 tokens of English, 700 of Chinese."""
NOTHING = "-"
"""Stands for a missing value."""

_HARMLESS = str.maketrans("<>[]{}|`◁▷", "‹›()()¦'‹›")
"""Special tokens of all model families have one of these: <image>, <|im_end|>, [INST], ◁think▷."""


def fields_of(text: str) -> frozenset[str]:
    """The fields in a prompt's text. Other braces are text.

    >>> sorted(fields_of('Describe {count} images as JSON: {"a": {text}}'))
    ['count', 'text']
    """
    return frozenset(name for name in FIELDS if f"{{{name}}}" in text)


def fill_fields(text: str, *, count: int, texts: Sequence[str] = (), captions: Sequence[str] = ()) -> str:
    """``text`` with its fields filled in. ``texts`` and ``captions`` have one entry per image, in order.

    >>> fill_fields("Of {count} images: {text}", count=2, texts=["A cat", ""])
    'Of 2 images: Image-1: A cat Image-2: -'
    """
    values = {"count": str(count), "text": _numbered(texts, count), "captions": _numbered(captions, count)}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def fill_longest(text: str, count: int) -> str:
    """``text`` with its fields filled in with the longest possible values."""
    values = ["字" * MAX_CHARACTERS] * count
    return fill_fields(text, count=count, texts=values, captions=values)


def sanitize(value: str) -> str:
    """One line of at most MAX_CHARACTERS, without the characters that special tokens are written with.

    >>> sanitize("A cat<|im_end|>\\n<image> [INST]")
    'A cat‹¦im_end¦› ‹image› (INST)'
    """
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    line = line.translate(_HARMLESS)
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1].rstrip() + "…"


def _numbered(values: Sequence[str], count: int) -> str:
    """A single value, or several with the names of their images in the message."""
    lines = [sanitize(value) or NOTHING for value in values] or [NOTHING] * count
    return lines[0] if count == 1 else " ".join(f"Image-{n}: {line}" for n, line in enumerate(lines, 1))
