"""What is said twice at once: words, pieces of words, characters and marks that come again immediately.

Comes in: a caption. Goes out: how many such places it has, in English and Chinese; a few are a name or a manner of
speaking ("Pago Pago", 慢慢). Not its job: longer things that are said again (see repetition).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from triptych.filtering.caption import HAN, LONGEST_READ, PIECE_TWICE, SHORTEST_PIECE, CaptionText

FEWEST_STUTTERS = 3
"""Places. Of good captions in words and names that are rightly doubled, none has more than two."""

LONGEST_TWICE = 4
"""Units: a word of so many characters, or so many words."""
DOUBLED_MARKS = frozenset({",,", "..", "，，", "。。"})
"""Needles."""
_DOUBLED_MARK = re.compile(r"([,.，。])\1(?!\1)")

_WORDS_TWICE = re.compile(r"\b([^\W\d]\w*(?: \w+){0,2})(?:[ ,]\1)+\b", re.IGNORECASE)
_PIECE_TWICE = re.compile(rf"\b(\w{{{SHORTEST_PIECE},20}})\1\b")
_PAIR = re.compile(r"(?=\b([a-z]{2,}) ([a-z]{3,})\b)")
_BEGINS_OTHERS = frozenset(
    "an in on to at be as is of so we he it no the up by for and are her his all over under with car sun".split()
)
"""Words that others begin with: "an animal", "on one"."""

_LETTER = f"[{HAN}]"
_AABB = re.compile(rf"({_LETTER})\1({_LETTER})\2")
_HAN_WORD_TWICE = re.compile(rf"(?<!一)(?!一.?一)({_LETTER}{{2,6}}?)\1(?!地)")
_GRAMMAR_TWICE = re.compile(r"(?<!一)([的了在是有着和与上中里为被把其这那于从对将及并也但而位名所以])\1")
"""Nobody doubles these, save a measure word behind 一."""
_HAN_TWICE = re.compile(rf"(?<!一)({_LETTER})\1(?=(?![地的们儿]){_LETTER})")
"""Any other, inside a clause: of people (妈妈) and of manner (慢慢) as well."""


def stutters(caption: CaptionText, fewest: float) -> float:
    """How many places the caption has where something is said twice at once, outside quotation marks; 0 where they
    are fewer than ``fewest`` by a count that is quick and never too low."""
    text, code = caption.text, caption.language.code
    marks = len(_DOUBLED_MARK.findall(text)) if caption.among(DOUBLED_MARKS) else 0
    found = marks + _said_twice(caption.units, caption.unit_bytes)
    begun = len(_begun(caption.unquoted[:LONGEST_READ])) if code == "en" and found else 0
    if code not in ("en", "zh") or found + begun < fewest:
        return 0.0
    read = _english if code == "en" else _chinese
    return marks + begun + read(caption.unquoted[:LONGEST_READ])


def _said_twice(units: Sequence[str], unit_bytes: bytes) -> int:
    """How many units are a piece said twice, or come again at once, up to LONGEST_TWICE together. Numbers as long as
    the text are quicker to compare than its units."""
    whole, last = int.from_bytes(unit_bytes, "little"), len(unit_bytes) - 1
    found = 0 if isinstance(units, str) else unit_bytes.count(PIECE_TWICE)
    for length in range(1, LONGEST_TWICE + 1):
        differ = (whole ^ whole >> 8 * length).to_bytes(last + 1, "little")
        at = differ.find(equal := bytes(length), 0, last)
        while at >= 0:
            found += units[at : at + length] == units[at + length : at + 2 * length]
            at = differ.find(equal, at + 1, last)
    return found


def _english(text: str) -> float:
    """Names are written with capitals: "Bora Bora"."""
    words = [match for match in _WORDS_TWICE.finditer(text) if not _is_name(match[0])]
    pieces = [match for match in _PIECE_TWICE.finditer(text) if not match[0].istitle()]
    return len(words) + len(pieces)


def _begun(text: str) -> list[str]:
    """Words that the next one begins with."""
    return [a for a, b in _PAIR.findall(text) if b.startswith(a) and b != a and a not in _BEGINS_OTHERS]


def _is_name(said: str) -> bool:
    return all(word[0].isupper() for word in re.split("[ ,]", said) if word)


def _chinese(text: str) -> float:
    """What nobody doubles counts twice as much as what somebody may."""
    sure = len(_HAN_WORD_TWICE.findall(text)) + len(_GRAMMAR_TWICE.findall(text))
    text = _AABB.sub("", _GRAMMAR_TWICE.sub("", _HAN_WORD_TWICE.sub("", text)))
    return sure + len(_HAN_TWICE.findall(text)) / 2
