"""Numbers of images as captions write them, and how many images they cover.

Comes in: figures, cardinals and ordinals of either language, lists and ranges of them. Goes out: numbers.
Not its job: finding them in a text (see english_references, chinese_references).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class References(NamedTuple):
    """``named``: numbers from 1, as written. ``covered``: how many of the set's images are spoken of.

    ``counted``: how many images the caption says there are, where it says so.
    """

    named: frozenset[int]
    covered: int
    counted: frozenset[int]


EN_WORDS = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
EN_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
)  # fmt: skip
_NUMBER: dict[str, int] = {
    **{str(at): at for at in range(100)},
    **{word: at for at, word in enumerate(EN_WORDS, 1)},
    **{word: at for at, word in enumerate(EN_ORDINALS, 1)},
    **{word: at for at, word in enumerate("一二三四五六七八九十", 1)},
    **{word: at for at, word in enumerate("①②③④⑤⑥⑦⑧⑨⑩", 1)},
    **{word: at for at, word in enumerate("壹贰叁肆伍陆柒捌玖拾", 1)},
    **{word: at for at, word in enumerate("甲乙丙丁戊己", 1)},
    "十一": 11,
    "十二": 12,
    "两": 2,
    "俩": 2,
    "首": 1,
    "initial": 1,
    "opening": 1,
}


ZH_OTHER_MEASURES = "个张幅条只座辆棵排片些位名把艘匹头间家组层根件朵台株种者边起般直旁侧对群路共样致款块盏盘杯碗年月日点分岁米角半份套本部堆串"
"""What follows a number of other things, or no number: 图一张 isn't image 1, nor is 图一直."""

_FIGURES = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")


def number_of(word: str) -> int | None:
    """The number that figures, a cardinal or an ordinal of either language mean, up to 99."""
    word = word.strip().lower()
    known = _NUMBER.get(word)
    if known is None and (figures := _FIGURES.fullmatch(word)):
        return int(figures[1])
    return known


def covered_by_name(numbers: set[int], count: int) -> int | None:
    """``count`` where each image is named; None where that has to be looked into."""
    return count if numbers.issuperset(range(1, count + 1)) else None


def covered_otherwise(numbers: set[int], count: int, extra: int, *, rest: bool, together: bool) -> int:
    """How many of ``count`` images are spoken of, each by itself or, where none is, all together."""
    own = {number for number in numbers if 1 <= number <= count}
    if own:
        return count if rest else min(count, len(own) + extra)
    if extra >= count or (rest and extra):
        return count
    return count if together and not extra else min(count, extra)


_PIECE = re.compile(
    rf"(?P<number>\d{{1,3}}(?:st|nd|rd|th)?|{'|'.join(EN_ORDINALS)}|{'|'.join(EN_WORDS)}|initial|opening|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
    r"|(?P<to>-|–|—|~|～|至|到|\bto\b|\bthrough\b)",
    re.IGNORECASE,
)


_NOUN_BETWEEN = re.compile(
    r"(?:images?|pictures?|photos?|photographs?|pics?|图像|图片|照片|图)\s?[-–—#(（]?\s?", re.IGNORECASE
)
"""Of "1 and image-3", where the hyphen is no "to"."""


def expand(listed: str) -> set[int]:
    """ "1, 2 and 4" and "first to third" as numbers."""
    alone = _NUMBER.get(listed)
    if alone is not None:
        return {alone}
    numbers: set[int] = set()
    last: int | None = None
    is_range = False
    for piece in _pieces(listed):
        if piece is None:
            is_range = last is not None
            continue
        numbers |= set(range(last, piece + 1)) if is_range and last is not None and last < piece else {piece}
        last, is_range = piece, False
    return numbers


def _pieces(listed: str) -> Iterator[int | None]:
    for match in _PIECE.finditer(_NOUN_BETWEEN.sub(" ", listed)):
        if match["to"]:
            yield None
        elif (number := number_of(match["number"])) is not None:
            yield number
