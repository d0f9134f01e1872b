"""What is said twice at once: words, pieces of words, characters and marks that come again immediately.

Comes in: a caption. Goes out: how many such places it has, in English and Chinese; a few are a manner of speaking
("very very", 慢慢). Not its job: longer things that are said again (see repetition).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

from triptych.filtering.caption import HAN, LONGEST_READ, CaptionText

FEWEST_STUTTERS, STUTTER_SHARE = 3, 0.02
"""Places, and places a unit: of good captions in words that are rightly doubled, none has more than two."""
LONGEST_TWICE, LONGEST_BESIDE = 4, 12
"""Units: a word of so many characters, or so many words; a phrase, where something shorter is said twice as well."""
PIECE_TWICE, SHORTEST_PIECE = 0, 4
"""The byte of a word that is a piece said twice ("windowwindow"), and the fewest letters of one: "muumuu" is a word."""
MOST_REMEMBERED = 100_000
"""Words. Most captions have no others; what is noise is forgotten with them."""
DOUBLED_MARKS = frozenset({",,", "..", "，，", "。。"})
"""Needles."""
_DOUBLED_MARK = re.compile(r"([,.，。])\1(?!\1)")

_TWICE = re.compile(
    rf"\b([a-z]\w*(?: \w+){{0,2}})(?:(?:, ?|-| )\1)+\b|\b([a-z]\w{{{SHORTEST_PIECE - 1},19}})\2\b"
)
"""Words, and a piece of one. Names are written with capitals: "Bora Bora"."""
_BEGUN = re.compile(
    r"\b(?!(?:an|in|on|to|at|be|as|is|of|so|we|he|it|no|the|up|by|for|and|are|her|his|all|over|under|with|car|sun) )"
    r"([a-z]{2,}) \1[a-z]+\b"
)
"""Words that the next one begins with ("wo woman"), other than those that many begin with."""

_LIST_MARKS = ",，、"

_LETTER = f"[{HAN}]"
_AABB = re.compile(rf"({_LETTER})\1({_LETTER})\2")
_SURE = re.compile(
    rf"(?<!一)(?:(?!一.?一)({_LETTER}{{2,12}}?)(?:\1(?!地)|(?:[，、]\1)+)|([的了在是有着和与上中里为被把其这那于从对将及并也但而位名所以])\2)"
)
"""Words, and what nobody doubles, save a measure word behind 一."""
_HAN_TWICE = re.compile(
    rf"(?<!一)(?![爸妈爷奶哥姐弟妹叔舅姑婶伯公婆宝星狗猫娃])({_LETTER})\1(?=(?![地的们儿]){_LETTER})"
)
"""Any other, inside a clause: of people (妈妈) and of manner (慢慢) as well."""


class _Bytes(dict[str, int]):
    """Of units that were asked for."""

    def __missing__(self, unit: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        piece = unit[: len(unit) // 2]
        is_twice = len(piece) >= SHORTEST_PIECE and piece * 2 == unit
        digest = 1 + crc32(unit.encode("utf-8", "surrogatepass")) % 255
        self[unit] = byte = PIECE_TWICE if is_twice else digest
        return byte


_BYTES = _Bytes()


def bytes_of(units: Sequence[str]) -> bytes:
    """A byte for each unit, the same for the same one, for others mostly another; PIECE_TWICE for a word that is a
    piece said twice. What comes again is quickly looked for in them."""
    if isinstance(units, str):
        return units.encode("utf-32-le", "surrogatepass")[::4]
    return bytes(map(_BYTES.__getitem__, units))


def has_stutter(caption: CaptionText, units: Sequence[str], of_units: bytes) -> bool:
    """Whether the caption has more places than a good one where something is said twice at once. Those of its units
    are counted first: that is quick, and mostly enough."""
    code = caption.language.code
    if code not in ("en", "zh"):
        return False
    fewest = max(FEWEST_STUTTERS, STUTTER_SHARE * len(units))
    marks = len(_DOUBLED_MARK.findall(caption.text)) if caption.among(DOUBLED_MARKS) else 0
    found = marks + _said_twice(units, of_units)
    if code == "zh":
        return found >= fewest and marks + _chinese(caption.unquoted[:LONGEST_READ]) >= fewest
    found += of_units.count(PIECE_TWICE) + sum(map(str.startswith, units[1:], units))
    if found < fewest:
        return False
    text = caption.unquoted[:LONGEST_READ]
    return marks + len(_BEGUN.findall(text)) + _count(_TWICE, text) >= fewest


def _said_twice(units: Sequence[str], of_units: bytes) -> int:
    """How many units come again at once, up to LONGEST_BESIDE together. Numbers as long as the text are quicker to
    compare than its units."""
    whole, last = int.from_bytes(of_units, "little"), len(of_units) - 1
    found = 0
    for length in range(1, LONGEST_BESIDE + 1):
        if length > LONGEST_TWICE and not found:
            break
        differ = (whole ^ whole >> 8 * length).to_bytes(last + 1, "little")
        at = differ.find(equal := bytes(length), 0, last)
        while at >= 0:
            found += units[at : at + length] == units[at + length : at + 2 * length]
            at = differ.find(equal, at + 1, last)
    return found


def _count(pattern: re.Pattern[str], text: str) -> int:
    """In how many places something is said twice. Three with marks between them are a list ("red, red, red"), and a
    word with a hyphen may come again ("tuk-tuk")."""
    found = [match[0] for match in pattern.finditer(text)]
    found = [each for each in found if sum(map(each.count, _LIST_MARKS)) < 2]
    return len([each for each in found if "-" not in each]) + len({each for each in found if "-" in each})


def _chinese(text: str) -> float:
    """What nobody doubles counts twice as much as what somebody may, and without it the rest is style."""
    rest, sure = _AABB.sub("", _SURE.sub("", text)), _count(_SURE, text)
    return sure + len(_HAN_TWICE.findall(rest)) / 2 if sure else 0.0
