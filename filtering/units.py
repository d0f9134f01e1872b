"""A text taken apart: its units, and what isn't one.

Comes in: any text. Goes out: its words and Han characters in order, in lower case, without punctuation;
and its marks, a short string of what is neither a plain letter nor a common mark, which rules look at
before they look at the text. Not its job: what the units say.

Most of a filter's time is here, so the work is left to methods that run in C: which of them fits
depends on the script that a text is mostly in. Units don't depend on that choice.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import NamedTuple

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with all their accents, and the full-width ones, as the inside of a character class."""

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

LONGEST_WORD = 40
"""A run of letters longer than this is not a word in any caption: its characters are counted one by one."""

_UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_HAN_RUN = re.compile(rf"([{HAN}]+)")
_NOT_LETTERS = re.compile(r"[\W_]+")
_LATIN_RUN = re.compile(rf"([{LATIN}\d]+)")
_NEITHER = re.compile(rf"[^{HAN}{LATIN}\d ]")
_HAN_MARKS = "，。、；：“”（）《》！？·-—…%"
"""The marks between Han characters, nearly always: replacing one by one beats any pattern."""
_OTHER_LETTER = re.compile(rf"[^\W\d_{LATIN}{HAN}]")
_HAN_CHARACTER = re.compile(rf"[{HAN}]")

_TO_PLAIN = bytes(
    ord(" ") if chr(code) in string.punctuation else ord(chr(code).lower()) if code < 128 else code
    for code in range(256)
)
_COMMON = (string.ascii_letters + " ,.-'").encode()


class Units(NamedTuple):
    """A text's units, and its marks."""

    units: list[str]
    marks: str
    """All characters but ASCII letters, spaces, commas, points, hyphens and apostrophes, in order. Of a
    text that is mostly Han characters: all but those."""


def units_of(text: str) -> list[str]:
    """The units of any text, in order. An apostrophe joins ("don't" is ``dont``), a hyphen separates."""
    return take_apart(text).units


def take_apart(text: str) -> Units:
    """The units and marks of any text."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) == len(text):
        units = encoded.translate(_TO_PLAIN, b"'").decode().split()
        marks = encoded.translate(None, _COMMON).decode()
    elif len(encoded) > 2 * len(text):
        units, marks = _mostly_han(text)
    else:
        marks = encoded.translate(None, _COMMON).decode("utf-8", "surrogatepass")
        units = _mostly_latin(text, marks)
    if len(text) > LONGEST_WORD * len(units) and any(len(unit) > LONGEST_WORD for unit in units):
        units = [part for unit in units for part in (unit if len(unit) > LONGEST_WORD else [unit])]
    return Units(units, marks)


def _mostly_han(text: str) -> Units:
    plain, marks = text, ""
    for mark in _HAN_MARKS:
        if mark in plain:
            plain = plain.replace(mark, " ")
            marks += mark
    for mark in set(_NEITHER.findall(plain)):
        if mark.isalnum():
            return Units(_any_script(text), _HAN_RUN.sub(" ", text))
        plain = plain.replace(mark, "" if mark in "'’" else " ")
        marks += mark
    parts = _LATIN_RUN.split(plain)
    if len(parts) == 1:
        return Units(list(plain.replace(" ", "")), marks)
    units: list[str] = []
    for at, part in enumerate(parts):
        if at % 2:
            units.append(part.lower())
        else:
            units += part.replace(" ", "")
    return Units(units, " ".join([marks, *parts[1::2]]))


def _mostly_latin(text: str, marks: str) -> list[str]:
    if _OTHER_LETTER.search(marks):
        return _any_script(text)
    plain = text.replace("’", "").replace("'", "").lower()
    for mark in {",", ".", "-", *marks}:
        if mark == "_" or not mark.isalnum():
            plain = plain.replace(mark, " ")
    if not _HAN_CHARACTER.search(marks):
        return plain.split()
    units: list[str] = []
    for at, part in enumerate(_HAN_RUN.split(plain)):
        units += part if at % 2 else part.split()
    return units


def _any_script(text: str) -> list[str]:
    plain = _NOT_LETTERS.sub(" ", text.lower().replace("’", "").replace("'", ""))
    return _UNIT.findall(plain)


def any_in(text: str, needles: Iterable[str]) -> bool:
    """Whether one of ``needles`` is in ``text``."""
    for needle in needles:  # noqa: SIM110  (a generator costs as much as ten of these tests)
        if needle in text:
            return True
    return False
