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

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with all their accents, and the full-width ones, as the inside of a character class."""

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

LONGEST_WORD = 40
"""A run of letters longer than this is not a word in any caption: its characters are counted one by one."""

_UNIT = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_HAN_RUN = re.compile(rf"([{HAN}]+)")
_NOT_LETTERS = re.compile(rf"[^{HAN}\w]+|_+")
_LATIN_RUN = re.compile(rf"([{LATIN}\d]+)")
_NEITHER = re.compile(rf"[^{HAN}{LATIN}\d ]")
_HAN_MARKS = "，。、；：“”（）《》！？·-—…%"
"""The marks between Han characters, nearly always: replacing one by one beats any pattern."""
_OTHER_LETTER = re.compile(rf"[^\W\d_{LATIN}{HAN}]")
_HAN_CHARACTER = re.compile(rf"[{HAN}]")

_TO_PLAIN = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256))
"""Of ASCII text."""
_COMMON = (string.ascii_letters + " ,.-'").encode()


def marks_of(text: str) -> str:
    """All characters but Han, ASCII letters, spaces, commas, points, hyphens and apostrophes, in order."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > 2 * len(text):
        encoded = _HAN_RUN.sub("", text).encode("utf-8", "surrogatepass")
    return encoded.translate(None, _COMMON).decode("utf-8", "surrogatepass")


def units_of(text: str) -> list[str]:
    """The units of any text, in order. An apostrophe joins ("don't" is ``dont``), a hyphen separates."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) == len(text):
        units = encoded.translate(_TO_PLAIN, b"'").decode().split()
    elif len(encoded) > 2 * len(text):
        units = _mostly_han(text)
    else:
        units = _mostly_latin(text, encoded.translate(None, _COMMON).decode("utf-8", "surrogatepass"))
    if len(text) > LONGEST_WORD * len(units) and any(len(unit) > LONGEST_WORD for unit in units):
        return [part for unit in units for part in (unit if len(unit) > LONGEST_WORD else [unit])]
    return units


def _mostly_han(text: str) -> list[str]:
    plain = text.replace("İ", "I ")  # as its small letter, which has a mark of its own
    for mark in _HAN_MARKS:
        plain = plain.replace(mark, " ")
    for mark in set(_NEITHER.findall(plain)):
        if mark.isalnum():
            return _any_script(text)
        plain = plain.replace(mark, "" if mark in "'’" else " ")
    parts = _LATIN_RUN.split(plain)
    if len(parts) == 1:
        return list(plain.replace(" ", ""))
    units: list[str] = []
    for at, part in enumerate(parts):
        if at % 2:
            units.append(part.lower())
        else:
            units += part.replace(" ", "")
    return units


def _mostly_latin(text: str, marks: str) -> list[str]:
    if _OTHER_LETTER.search(marks):
        return _any_script(text)
    plain = text.replace("’", "").replace("'", "").lower()
    for mark in {",", ".", "-", *marks.lower()}:
        if mark == "_" or not (mark.isalnum() or _HAN_CHARACTER.match(mark)):
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
