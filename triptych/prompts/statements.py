"""A caption cut into statements, each with the images that it is about.

Comes in: a caption, how many images it is on, how it names them. Goes out: Statements. A statement is a
sentence, or a part of one between semicolons. A statement that names images is about these. One that names
none is about the image of the previous statement. It is about all images if there was no single one, or if it
speaks of images in the plural or of what they share. Not its job: asking whether statements are true (see
captioning.checking).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from triptych.languages import HAN_NUMBERS, ORDINALS
from triptych.prompts import Naming

_END = re.compile(
    r"(?<!\.)\.(?=\s+\S)|[.!?…]+[\"”’'）)\]]*(?=\s+[^\sa-z])|;+(?=\s+\S)"
    r"|[。！？；]+(?:(?![”’」』）。！？；])|[”’」』）]+(?=\s|$))|\n+"
)
"""Where a statement ends: not at a full stop inside a number or a name, at a mark inside quotes, or at one as
in Yahoo!, if the sentence continues."""

_ABBREVIATED = re.compile(
    r"(?<![^\W\d_])[^\W\d_]\.|\betc\.(?=\s+[^\sA-Z])|\b(?i:no|fig)\.(?=\s*\d)"
    r"|\b(?i:approx|ave|bldg|ca|capt|cf|dr|ft|gen|jr|lt|mr|mrs|ms|mt|pp|prof|rev|sgt|sr|st|vs)\."
)
"""Abbreviations such as St. Mary, e.g. a mug: no statement ends there."""

_LIST_NUMBER = re.compile(r"\W*\d+[.)]")
"""The number of a list item: it belongs to the text after it."""

_PLURAL = re.compile(
    r"(?:\A\W*|\b(?:the|these|those|both|all|each|among|across|between)(?: of)?(?: the| these)?(?: \w+)? )"
    r"(?:images|pictures|photos|photographs|scenes)\b"
    r"|(?:\A\W*|[，。；：这那在]|以上|上述|所有的?|全部)[两二三四五六七八九十几多数\d]+\s?[张幅](?:图|照片|画面)"
    r"|(?:每一?|各|这些|所有|全部)[张幅]?(?:图|照片|画面)"
    r"|(?:Bilder|Fotos|imágenes|fotos|photos|immagini|imagens)\b|(?:両方|すべて|全て)の(?:画像|写真)"
    r"|(?:이미지|사진)들",
    re.IGNORECASE,
)
"""The images of the set in the plural, in the languages of the built-in prompts and some others; not pictures
that hang on a wall."""

_ORDINAL = re.compile(
    rf"第([{HAN_NUMBERS}]|\d{{1,2}})[张幅](?:图|照片|画面)"
    rf"|\b[Tt]he ({'|'.join(ORDINALS[:5])}) (?:image|picture|photo|photograph)\b"
)
_ORDINALS = {word: n for words in (ORDINALS, HAN_NUMBERS) for n, word in enumerate(words, 1)}

_OF_ALL = re.compile(
    r"\W*(?:(?:Both|All(?: of them)?|They(?: all| both)?) (?:share|show|depict|feature|differ)\b"
    r"|What (?:they|all)\b|In common\b|(?:它们的)?(?:共同点|共同之处|相同之处|不同之处)|[两二]者)"
)
"""How a statement about all images begins, after each of them has been named."""

_LISTED = re.compile(
    r"\b[Ii]mages \d+(?:(?:, and | and |, | & )\d+)+"
    r"|(?<![地蓝配插路版草挂构绘附])图\d+(?:[和与、]\d+(?![\d.]|\s?[只号个条张幅]))+"
)
"""Several images named at once: Images 1 and 3."""

_NUMBER = re.compile(r"\d+")


class Statement(msgspec.Struct, frozen=True):
    """``text[start:end]`` of a caption."""

    start: int
    end: int
    images: tuple[int, ...]
    """The numbers of its images, from 1."""
    is_named: bool
    """Whether it names its images."""


def statements(text: str, image_count: int, naming: Naming | None) -> list[Statement]:
    """The statements of a caption, in order. Without ``naming`` each is about all images."""
    all_images = tuple(range(1, image_count + 1))
    found, last, all_named = [], all_images, set[int]()
    for start, end in _parts(text):
        part = text[start:end]
        named = set[int]()
        if naming is not None:
            listed = [_NUMBER.findall(each.group()) for each in _LISTED.finditer(part)]
            named = naming.numbers(part).union(*(map(int, each) for each in listed), _ordinals(part))
            named = named.intersection(all_images)
        if named:
            last = images = tuple(sorted(named))
        else:
            is_of_all = _PLURAL.search(part) or (all_named == set(all_images) and _OF_ALL.match(part))
            images = all_images if len(last) > 1 or is_of_all else last
        all_named |= named
        found.append(Statement(start, end, images, bool(named)))
    return found


def _ordinals(part: str) -> Iterator[int]:
    """The numbers of the images that are called the first, the second ..."""
    for word in (match[1] or match[2] for match in _ORDINAL.finditer(part)):
        yield int(word) if word.isdigit() else _ORDINALS[word]


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each statement, stripped; parts without letters or digits are skipped."""
    start, abbreviation_ends = 0, {match.end() for match in _ABBREVIATED.finditer(text)}
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        part = text[start:end]
        if end < len(text) and (end in abbreviation_ends or _LIST_NUMBER.fullmatch(part)):
            continue
        if any(map(str.isalnum, part)):
            yield start + len(part) - len(part.lstrip()), start + len(part.rstrip())
        start = end
