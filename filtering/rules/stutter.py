"""Find stutter: words, characters and marks that are repeated immediately.

Comes in: an English or Chinese caption. Goes out: whether it has more of them than normal language ("very
very", 慢慢). Not its job: longer repetition (see repetition).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

from triptych.filtering.caption import HAN, LONGEST_READ, CaptionText

MIN_STUTTERS, MIN_STUTTER_SHARE = 3, 0.02
"""Places, and places per unit. No good caption has more than two."""
LONGEST_DOUBLED, LONGEST_DOUBLED_PHRASE = 4, 12
"""In units. Longer phrases count only if something shorter is doubled as well; in Chinese, a shorter phrase or
a character that is never doubled."""
_ZEROS = [bytes(length) for length in range(LONGEST_DOUBLED_PHRASE + 1)]
DOUBLED_WORD, MIN_HALF_LETTERS = 0, 4
"""The byte of a word that consists of two equal halves ("windowwindow"), and the minimum length of a half:
"muumuu" is a word."""
MAX_CACHED = 100_000
"""Words. Captions rarely have others. The cache is cleared when noise has filled it."""
_NEVER_DOUBLED = "的了在是有着和与上中里为被把其这那于从对将及并也但而位名所以"
NEEDLES = frozenset(2 * each for each in ",.，。" + _NEVER_DOUBLED)
_DOUBLED_MARK = re.compile(r"([,.，。])\1(?!\1)")

_DOUBLED = re.compile(
    rf"\b([a-z]\w*(?: \w+){{0,2}})(?:(?:, ?|-| )\1)+\b|\b([a-z]\w{{{MIN_HALF_LETTERS - 1},19}})\2\b"
)
"""Doubled words, and words of two equal halves. Names have capitals: "Bora Bora"."""
_LIST_MARKS = ",，、"

_LETTER = f"[{HAN}]"
_AABB = re.compile(rf"({_LETTER})\1({_LETTER})\2")
_CERTAIN = re.compile(
    rf"(?<!一)(?:(?!一.?一)({_LETTER}{{2,12}}?)(?:\1(?!地)|(?:[，、]\1)+)|([{_NEVER_DOUBLED}])\2)"
)
"""Doubled words, and characters that are never doubled, except for a measure word after 一."""
_DOUBLED_HAN = re.compile(
    rf"(?<!一)(?![爸妈爷奶哥姐弟妹叔舅姑婶伯公婆宝星狗猫娃])({_LETTER})\1(?=(?![地的们儿]){_LETTER})"
)
"""Any other doubled character within a clause, except for most words for people (妈妈) and of manner (慢慢地)."""
_THRICE = {
    "en": re.compile(r"\b([a-z]\w*(?: \w+){0,2})(?: \1){2}\b"),
    "zh": re.compile(rf"(?!一)({_LETTER}{{2,4}}?)\1{{2}}"),
}
"""Three times in a row without marks, of which one place is enough: no good caption has that."""
_DOUBLED_IF_THRICE = {"en": 2, "zh": 3}
"""The least number of repeated units then: one more than the phrase has."""


class _Bytes(dict[str, int]):
    """A cache of the bytes of units."""

    def __missing__(self, unit: str) -> int:
        if len(self) >= MAX_CACHED:
            self.clear()
        half = unit[: len(unit) // 2]
        is_doubled = len(half) >= MIN_HALF_LETTERS and half * 2 == unit
        digest = 1 + crc32(unit.encode("utf-8", "surrogatepass")) % 255
        self[unit] = byte = DOUBLED_WORD if is_doubled else digest
        return byte


_BYTES = _Bytes()


def bytes_of(units: Sequence[str]) -> bytes:
    """A byte for each unit, in which repetition is fast to find. Equal units have equal bytes, others mostly
    different ones. DOUBLED_WORD stands for all words of two equal halves."""
    if isinstance(units, str):
        return units.encode("utf-32-le", "surrogatepass")[::4]
    return bytes(map(_BYTES.__getitem__, units))


def has_stutter(caption: CaptionText, units: Sequence[str], unit_bytes: bytes, longest: int) -> bool:
    """Whether the caption stutters in more places than a good one. An upper bound from its units is computed
    first, which is fast and usually enough. No phrase of more than ``longest`` units is repeated."""
    code = caption.language.code
    if code not in ("en", "zh"):
        return False
    needles = caption.present_needles(NEEDLES)
    if code == "zh" and not needles and not _are_doubled(units, unit_bytes, 1, range(2, LONGEST_DOUBLED + 1)):
        return False
    marks = len(_DOUBLED_MARK.findall(caption.text)) if needles else 0
    fewest = max(MIN_STUTTERS, MIN_STUTTER_SHARE * len(units)) - marks
    halves = unit_bytes.count(DOUBLED_WORD) if code == "en" else 0
    least = min(fewest - halves, _DOUBLED_IF_THRICE[code])
    if not _are_doubled(units, unit_bytes, least, range(1, longest + 1)):
        return False
    text = caption.unquoted[:LONGEST_READ]
    counted = _count_chinese(text) if code == "zh" else _count(_DOUBLED, text)
    return counted >= fewest or _THRICE[code].search(text) is not None


def _are_doubled(units: Sequence[str], unit_bytes: bytes, fewest: float, lengths: range) -> bool:
    """Whether at least ``fewest`` phrases of such ``lengths`` are immediately repeated. The text as one large
    number is compared with itself, shifted by a length, which is faster than comparing units."""
    whole, count = int.from_bytes(unit_bytes, "little"), len(unit_bytes)
    found = 0
    for length in lengths:
        if length > LONGEST_DOUBLED and not found:
            break
        differ = (whole ^ whole >> 8 * length).to_bytes(count, "little")
        at = differ.find(_ZEROS[length])
        while at >= 0 and found < fewest:
            found += units[at : at + length] == units[at + length : at + 2 * length]
            at = differ.find(_ZEROS[length], at + 1)
    return found >= fewest


def _count(pattern: re.Pattern[str], text: str) -> int:
    """The number of matches. Three items separated by marks are a list ("red, red, red") and don't count, and
    equal matches with a hyphen count once ("tuk-tuk")."""
    found = [match[0] for match in pattern.finditer(text)]
    found = [each for each in found if sum(map(each.count, _LIST_MARKS)) < 2]
    return len([each for each in found if "-" not in each]) + len({each for each in found if "-" in each})


def _count_chinese(text: str) -> float:
    """Certain stutter counts 1, other doubled characters 0.5. Without any the others are style."""
    certain = _count(_CERTAIN, text)
    if not certain:
        return 0.0
    return certain + len(_DOUBLED_HAN.findall(_AABB.sub("", _CERTAIN.sub("", text)))) / 2
