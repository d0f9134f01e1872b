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

from corpus.records import Language
from filtering.candidate import Candidate

LONGEST_PERIOD = 12
"""In units. Longer things that come again and again are found as stretches and as sentences."""

LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""

SHORTEST_LOOP = {"en": 8, "zh": 12}
"""In units. A loop of this length is one wherever it stands, so it counts at least LOOP_SCORE."""

LOOP_SCORE = 0.5
"""The least score of a caption with a loop, also where a long good text goes before it."""

STRETCH = {"en": 8, "zh": 12}
"""In units. A stretch of so many said again is a repetition. Long enough for a listing such as "a red boat
and a blue boat" to stay clear, at about 1.5 characters a word (the seed's 150 to 95)."""

SHORTEST_SENTENCE = {"en": 6, "zh": 8}
"""In units. Shorter sentences may come again: "The sky is blue."."""

MOST_UNITS = 2500
"""Twice the longest caption that any job allows; what comes later is too long in any case."""

_SCREEN_WORDS, _SCREEN_HAN = 6, 8
"""In units. Every loop, stretch and sentence above has a stretch of this length twice. The longer one is
for a text of nothing but Han characters."""

_SLICES = [slice(at, at + _SCREEN_HAN) for at in range(1024)]

_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


def repetition(candidate: Candidate) -> float:
    """The largest of three shares: loops, sentences that come again, and long stretches that do.

    A stretch may come once for each image of a set and once for all of them.
    """
    units, language = candidate.units[:MOST_UNITS], candidate.language
    if language == "zh":
        # Letters of foreign words count one by one: what comes twice in units also does in characters.
        twice = _any_slice_twice("".join(units), _SCREEN_HAN)
    else:
        twice = _any_stretch_twice(units, _SCREEN_WORDS)
    if not twice:
        return 0.0
    text = _as_code_points(units)
    return max(
        _loop_score(text, language),
        sentence_share(candidate.sentences[:MOST_UNITS], SHORTEST_SENTENCE[language]),
        stretch_share(text, STRETCH[language], allowed=candidate.image_count),
    )


def _any_stretch_twice(units: Sequence[str], n: int) -> bool:
    starts = len(units) - n + 1
    return starts > 1 and len(set(zip(*(units[at : starts + at] for at in range(n)), strict=True))) < starts


def _any_slice_twice(text: str, n: int) -> bool:
    starts = len(text) - n + 1
    slices = _SLICES[:starts] if starts <= len(_SLICES) else [slice(at, at + n) for at in range(starts)]
    return starts > 1 and len(set(map(text.__getitem__, slices))) < starts


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
