"""Rule: how much of a caption is said again.

Comes in: a candidate. Goes out: a share of the text, in [0, 1]. Everything weighs by occurrence: a
sentence that comes twenty times weighs nineteen times itself. Not its job: the bound (see config).

Units are mapped to one code point each, so that slices and a regular expression of the standard
library do the work in C. Most captions never get that far: without any stretch of a few units that
comes twice there is nothing to measure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corpus.records import Language
from filtering.candidate import LONGEST_READ, MOST_SENTENCES, Candidate
from filtering.units import LONGEST_WORD

LONGEST_PERIOD = 12
"""In units. Longer things that come again and again are found as stretches and as sentences."""

LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""

SHORTEST_LOOP = {"en": 8, "zh": 12}
"""In units. A loop of this length is one wherever it stands, so it counts at least LOOP_SCORE."""

LOOP_SCORE = 0.5
"""The least score of a caption with a loop, also where a long good text goes before it."""

STRETCH = {"en": 8, "zh": 15}
"""In units. A stretch of so many said again is a repetition. Long enough for a listing such as "a red boat
and a blue boat" to stay clear; Chinese listings need more ("饺子，一排白色饺子，一排绿色饺子" has 14)."""

LONG_STRETCH = {"en": 14, "zh": 22}
"""In units. So much the same may be said of two images of a set, not of three."""

LONG_STRETCH_TIMES = 2

SHORTEST_SENTENCE = {"en": 6, "zh": 8}
"""In units. Shorter sentences may come again: "The sky is blue."."""

MOST_UNITS = 2500
"""Twice the longest caption that any job allows; what comes later is too long in any case."""

_SCREEN = {"en": 6, "zh": 8}
"""In units. Every loop, stretch and sentence above has a stretch of this length twice."""

_ANY_SENTENCE_END = re.compile("[.．!?！？。…;；\r\n]+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_TO_LETTERS = bytes(
    ord("\n") if chr(code) in ".!?;\r" else ord(chr(code).lower()) if code < 128 else code
    for code in range(256)
)
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum() and chr(code) not in ".!?;\r\n")

_MULTIPLIER = np.uint32(0x9E3779B1)

_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


def repetition(candidate: Candidate) -> float:
    """The largest of three shares: loops, sentences that come again, and long stretches that do.

    A stretch may come once for each image of a set, a long one for two of them.
    """
    language = candidate.language
    symbols = _symbols(candidate)
    keys = _stretch_keys(symbols, _SCREEN[language])
    if not _any_more_often(keys, 1):
        return 0.0
    units, score, text = candidate.units[:MOST_UNITS], 0.0, ""
    if _any_sentence_twice(candidate.text[:LONGEST_READ]):
        score = sentence_share(candidate.sentences, SHORTEST_SENTENCE[language])
    is_by_letter = len(symbols) > len(units)
    if is_by_letter or _shortest_gap(keys) <= LONGEST_PERIOD:
        text = _as_code_points(units)
        score = max(score, _loop_score(text, language))
    for n, allowed in (
        (STRETCH[language], candidate.image_count),
        (LONG_STRETCH[language], min(candidate.image_count, LONG_STRETCH_TIMES)),
    ):
        if is_by_letter or _any_more_often(_stretch_keys(symbols, n), allowed):
            text = text or _as_code_points(units)
            score = max(score, stretch_share(text, n, allowed))
    return score


def _symbols(candidate: Candidate) -> NDArray[np.uint32]:
    """A number for each unit; for Chinese, where the letters of foreign words count one by one, for each
    character: what comes twice in units also does in characters."""
    if candidate.language == "zh":
        encoded = candidate.joined[: MOST_UNITS * LONGEST_WORD].encode("utf-32-le", "surrogatepass")
        return np.frombuffer(encoded, np.uint32)
    units = candidate.units[:MOST_UNITS]
    return np.fromiter(map(hash, units), np.int64, len(units)).astype(np.uint32)


def _stretch_keys(symbols: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """One number for every ``n`` symbols in a row. Equal stretches have equal numbers."""
    length, keys = 1, symbols
    while 2 * length <= n:
        keys = keys[:-length] * _MULTIPLIER + keys[length:]
        length *= 2
    return keys if length == n else keys[: length - n] * _MULTIPLIER + keys[n - length :]


def _any_more_often(keys: NDArray[np.uint32], times: int) -> bool:
    ordered = keys.copy()
    ordered.sort()
    return int(np.count_nonzero(ordered[times:] == ordered[:-times])) > 0


def _shortest_gap(keys: NDArray[np.uint32]) -> int:
    """How far apart the nearest two equal keys are."""
    order = keys.argsort(kind="stable")
    ordered = keys[order]
    gaps = (order[1:] - order[:-1])[ordered[1:] == ordered[:-1]]
    return int(gaps.min())


def _any_sentence_twice(text: str) -> bool:
    """False where no two sentences have the same units: then all that lies between marks is different."""
    if text.isascii():
        parts = text.encode().translate(_TO_LETTERS, _NO_LETTERS).decode().split("\n")
    else:
        parts = _ANY_SENTENCE_END.split(text.lower(), MOST_SENTENCES)
        parts = [_NOT_LETTERS.sub("", part) for part in parts]
    said = [part for part in parts if part]
    return len(set(said)) < len(said)


def _loop_score(text: str, language: Language) -> float:
    loops = [len(match[0]) for match in _LOOP.finditer(text)]
    share = sum(loops) / len(text)
    return max(share, LOOP_SCORE) if any(each >= SHORTEST_LOOP[language] for each in loops) else 0.0


def stretch_share(text: str, n: int, allowed: int) -> float:
    """The share of ``text`` in stretches of ``n`` that already occurred ``allowed`` times before."""
    times: dict[str, int] = {}
    covered = covered_to = 0
    for start in range(len(text) - n + 1):
        stretch = text[start : start + n]
        times[stretch] = times.get(stretch, 0) + 1
        if times[stretch] > allowed:
            covered += start + n - max(start, covered_to)
            covered_to = start + n
    return covered / max(len(text), 1)


def sentence_share(sentences: Sequence[Sequence[str]], shortest: int) -> float:
    """The share of all units that lie in sentences of ``shortest`` or more equal to an earlier one."""
    seen: set[tuple[str, ...]] = set()
    repeated = total = 0
    for units in map(tuple, sentences):
        total += len(units)
        if len(units) >= shortest and units in seen:
            repeated += len(units)
        seen.add(units)
    return repeated / max(total, 1)


def _as_code_points(units: Sequence[str]) -> str:
    code: dict[str, str] = {}
    return "".join([code.setdefault(unit, chr(len(code))) for unit in units])
