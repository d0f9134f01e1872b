"""Captions read back into things, to score what a model wrote against what is in the scene.

Comes in: caption text, possibly imperfect. Goes out: (colour, kind) pairs, in order of mention.
Nothing here raises: what can't be read is simply not returned.
"""

from __future__ import annotations

import re

from scripts.nano.vocabulary import COLOURS_ZH, KINDS_EN, KINDS_ZH
from triptych.demo.scene import COLOURS, KINDS, THEMES

ColourAndKind = tuple[str, str]
"""What a reader returns: (colour, kind)."""

_WORD_TO_COLOUR: dict[str, dict[str, str]] = {
    "en": {colour: colour for colour in COLOURS},
    "zh": {COLOURS_ZH[colour]: colour for colour in COLOURS} | {"粉红色": "pink", "橘色": "orange"},
}
_WORD_TO_KIND: dict[str, dict[str, str]] = {
    "en": {kind: kind for kind in KINDS} | {KINDS_EN[kind]: kind for kind in KINDS_EN},
    "zh": {KINDS_ZH[kind][1]: kind for kind in KINDS},
}
_WORD_TO_THEME: dict[str, dict[str, str]] = {
    "en": {theme: theme for theme in THEMES},
    "zh": {
        "港口": "harbour",
        "街道": "street",
        "草地": "meadow",
        "雪地": "snowfield",
        "夜": "night",
        "海滩": "beach",
    },
}


def _any_of(words: dict[str, str]) -> str:
    """A pattern group for any of ``words``, the longest first."""
    return "(" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"


_THING: dict[str, re.Pattern[str]] = {
    "en": re.compile(
        rf"\b{_any_of(_WORD_TO_COLOUR['en'])}[\s-]+(?:(?:big|large|little|small)\s+)?"
        rf"{_any_of(_WORD_TO_KIND['en'])}s?\b"
    ),
    "zh": re.compile(rf"{_any_of(_WORD_TO_COLOUR['zh'])}的?\s*{_any_of(_WORD_TO_KIND['zh'])}"),
}
_THEME: dict[str, re.Pattern[str]] = {
    "en": re.compile(rf"\b{_any_of(_WORD_TO_THEME['en'])}\b"),
    "zh": re.compile(_any_of(_WORD_TO_THEME["zh"])),
}
_IMAGE_NUMBER: dict[str, re.Pattern[str]] = {
    "en": re.compile(r"\bimage[\s-]*([0-9])\b"),
    "zh": re.compile(r"图像?\s*([0-9])"),
}


def read_things(caption: str, language: str) -> list[ColourAndKind]:
    """Every (colour, kind) that ``caption`` names, in order of mention, repeats kept."""
    colours, kinds = _WORD_TO_COLOUR[language], _WORD_TO_KIND[language]
    found = _THING[language].findall(caption.lower())
    return [(colours[colour], kinds[kind]) for colour, kind in found]


def read_set(caption: str, language: str, n_images: int) -> list[list[ColourAndKind]]:
    """What ``caption`` says of each of ``n_images`` images, by the image number before each thing.

    Things named before the first image number (what the images share) belong to no image;
    an image that the caption does not number gets an empty list.
    """
    images: list[list[ColourAndKind]] = [[] for _ in range(n_images)]
    caption = caption.lower()
    marks = list(_IMAGE_NUMBER[language].finditer(caption))
    ends = [mark.start() for mark in marks[1:]] + [len(caption)]
    for mark, end in zip(marks, ends, strict=False):
        number = int(mark[1])
        if 1 <= number <= n_images:
            images[number - 1] += read_things(caption[mark.end() : end], language)
    return images


def read_shared(caption: str, language: str) -> list[ColourAndKind]:
    """What ``caption`` says that all images of a set share: the things named before the first number."""
    first = _IMAGE_NUMBER[language].search(caption.lower())
    return read_things(caption[: first.start()] if first else caption, language)


def theme_of(caption: str, language: str) -> str | None:
    """The first theme that ``caption`` names, or None."""
    found = _THEME[language].search(caption.lower())
    return _WORD_TO_THEME[language][found[1]] if found else None
