"""A caption cut into statements, each with the images that it is about.

Comes in: a caption, how many images it is on, how it names them. Goes out: Statements. A statement is a
sentence, or what stands between semicolons. One that names images is about these; one that names none is
about the image that was named alone before it, unless it speaks of images in the plural: then, and where none
was named before, it is about all. Not its job: asking whether they are true (see captioning.checking).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from triptych.prompts import Naming

_END = re.compile(r"[.!?;…]+[\"”’'）)\]]*(?=\s+\S)|[。！？；]+[”’」』）]*|\n+")
"""What ends a statement. A full stop in the middle of a number or a name ends none."""

_ABBREVIATED = re.compile(
    r"(?<![^\W\d_])[^\W\d_]{1,2}\.$|\b(?:approx|etc|vs|no|fig|ave|mt|mrs|prof)\.$", re.IGNORECASE
)
"""St. Mary, e.g. a mug: no end, unless a sentence begins behind it."""

_PLURAL = re.compile(
    r"\b(?:images|pictures|photos|photographs|scenes)\b|[张幅](?:图|照片|画面)|(?:这些|所有|各)(?:图|照片)"
    r"|(?:Bilder|Fotos|imágenes|fotos|photos|immagini|imagens)\b|(?:両方|すべて|全て)の(?:画像|写真)"
    r"|(?:이미지|사진)들",
    re.IGNORECASE,
)
"""Images in the plural, in the languages of the prompts that ship and some others."""


class Statement(msgspec.Struct, frozen=True):
    """``text[start:end]`` of a caption."""

    start: int
    end: int
    images: tuple[int, ...]
    """The numbers of the images that it is about, from 1."""
    is_named: bool
    """Whether it names them."""


def statements(text: str, image_count: int, naming: Naming | None) -> list[Statement]:
    """The statements of a caption, in order. Without ``naming`` each one is about all images."""
    everyone = tuple(range(1, image_count + 1))
    found, last = [], everyone
    for start, end in _parts(text):
        part = text[start:end]
        named = naming.numbers(part).intersection(everyone) if naming is not None else set[int]()
        if named:
            last = images = tuple(sorted(named))
        else:
            images = everyone if len(last) > 1 or _PLURAL.search(part) else last
        found.append(Statement(start, end, images, bool(named)))
    return found


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each, without white space around it; those without a letter or digit are left out."""
    start = 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        if end < len(text) and _ABBREVIATED.search(text[start:end]):
            continue
        part = text[start:end]
        if any(map(str.isalnum, part)):
            yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())
        start = end
