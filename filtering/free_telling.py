"""Captions that tell of a set without naming its images: "In the morning ... By noon ... At night ...".

Comes in: text in one line, in lower case if English, language, number of images. Goes out: whether the text
reads like one of so many images. Not its job: captions that name their images (see references); those are
counted.

A set may be told of in more ways than any list of patterns has, and what a model leaves out it mostly
leaves out of "the first image, the second image". So a text that names no image isn't held to a count. It
has to show signs that several pictures are told of, as captions of one picture do not: what stays the same
between them, an order in time, a number that is the set's, parts alike in form. Measured on 220 good
captions of sets that were written to be as different as could be, and on good captions of single images
given out as captions of sets (tests/filtering/test_free_telling.py).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from itertools import islice

from triptych.filtering import telling_signs as signs
from triptych.filtering.image_numbers import EN_WORDS, number_of
from triptych.records import Language

FEWEST_NAMED = 2
"""A text that names so many images is counted."""

ENOUGH = 2
"""The weights of all signs together that make a text one of several pictures: a strong sign or two others.
On the captions above, 2 keeps 76% of the English and 85% of the Chinese; 3 would keep 63 and 75."""

_STRONG = 2
"""What a sign weighs that captions of one picture hardly have. Of two pictures, number and form weigh 1: two
of anything are soon found in any text."""

_GROUPS = {
    2: "pair|twice|duo",
    3: "trio|triptych|thrice",
    4: "quartet|foursome",
    5: "quintet",
    6: "half a dozen",
}
_HAN = "零一二三四五六七八九十"
_FEWEST_ALIKE = 3
"""Clauses that begin alike: two do so in any text."""
_MOST_CLAUSES = 100
"""Looked at: five times as many as a caption of a set has."""
_NEVER = "x^"
"""A pattern that nothing matches."""


def tells_of_several(text: str, language: Language, count: int) -> bool:
    """Whether ``text``, which names none of its ``count`` images, reads like a caption of so many."""
    if signs.ALONE[language].match(text) or speaks_of_two(text, language, count):
        return False
    parts = _parts(text, language)
    if 1 < parts < count:
        return False
    weight = sum(sign_weight for sign_weight, sign in signs.SIGNS[language] if sign.search(text))
    weight += _STRONG * (len(set(signs.ORDER[language].findall(text))) > 1)
    weight += _weight_of_number(text, language, count) + _weight_of_form(text, language, count, parts)
    return weight >= ENOUGH


def speaks_of_two(text: str, language: Language, count: int) -> bool:
    """Whether "both" or "the former" tells of two pictures where there are more."""
    return count > 2 and signs.TWO[language].search(text) is not None


def _weight_of_number(text: str, language: Language, count: int) -> int:
    """What it weighs that the text opens with the number of images, or says it of all of something."""
    opening, said = _count_patterns(language, count)
    if match := opening.match(text):
        mark = signs.MARK.search(text, match.end())
        return _STRONG if count > 2 and mark and mark[0] in ":：" else 1
    return int(said.search(text) is not None)


def _weight_of_form(text: str, language: Language, count: int, parts: int) -> int:
    """What it weighs that there are as many parts as images."""
    is_alike = parts == count or _has_alike(text, language, count)
    return (_STRONG if count > 2 else 1) * is_alike


@functools.lru_cache(maxsize=64)
def _count_patterns(language: Language, count: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    if language == "zh":
        word = "[两俩双]" if count == 2 else _HAN[count] if count <= 10 else _NEVER
        number = f"(?:{word}|(?<!\\d){count}(?!\\d))"
        things = "[个张幅次处者组枚只件种格块座位样地时段季人扇间家步天道把盏辆束棵款]"
        return (
            re.compile(f"[^，。；：]{{0,8}}{number}{things}"),
            re.compile(
                f"{number}(?:次|处|者|个(?:时|画|角|阶|季|年|地|席|步|场|瞬|片)|季|样)|[，。；]{number}[^，。；]{{0,3}}(?:都|均|皆|全)"
            ),
        )
    number = f"(?:{EN_WORDS[count - 1] if count <= len(EN_WORDS) else count}|{_GROUPS.get(count, _NEVER)})"
    return (
        re.compile(rf"\W*(?:the |these |all |this |a |in |of |\w+ of )*{number}\b"),
        re.compile(rf"\b(?:the|all|these|those) {number}\b|\b{number} (?:times|of them)\b"),
    )


def _parts(text: str, language: Language) -> int:
    """How many parts the text tells by heads of one kind, or counts from one; 0 where it has neither."""
    kinds: dict[str, set[str]] = {}
    for clause in islice(signs.CLAUSE.finditer(text), _MOST_CLAUSES):
        if head := signs.HEADS[language].match(text, clause.end()):
            kinds.setdefault(head.lastgroup or "", set()).add(head[head.lastgroup or 0])
    return max(_counted_from_one(text, language), *map(len, kinds.values()), 0)


def _has_alike(text: str, language: Language, count: int) -> bool:
    """Whether as many clauses as there are images begin alike, or are set side by side."""
    if language == "zh" and text.count("；") >= count - 1:
        return True
    begins = Counter(
        text[clause.end() : clause.end() + 2]
        if language == "zh"
        else " ".join(text[clause.end() : clause.end() + 40].split()[:2])
        for clause in islice(signs.CLAUSE.finditer(text), _MOST_CLAUSES)
    )
    return max(begins.values(), default=0) >= max(count, _FEWEST_ALIKE)


def _counted_from_one(text: str, language: Language) -> int:
    """How far the text counts from one, whatever it counts."""
    reached = 0
    for match in signs.NTH[language].finditer(text):
        if number_of(next(filter(None, match.groups()))) == reached + 1:
            reached += 1
    return reached if reached > 1 else 0
