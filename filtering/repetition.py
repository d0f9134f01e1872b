"""How much of a text is said again: the measures behind the rule ``repeated``.

Comes in: a text as units (words, or characters for Han). Goes out: shares of the text, in [0, 1].
Every measure weighs by occurrence: a sentence that comes twenty times weighs nineteen times itself.
Not its job: the bounds (see config).

Units are first mapped to one code point each, so that slices and a regular expression of the
standard library do the work in C.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_PERIOD = 12
"""In units. Longer things that come again and again are found as n-grams and as sentences."""

LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""

_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


def loop_share(units: Sequence[str]) -> float:
    """The share of ``units`` in runs where one stretch comes LOOP_COPIES times or more without a break."""
    if not units:
        return 0.0
    looped = sum(match.end() - match.start() for match in _LOOP.finditer(_as_code_points(units)))
    return looped / len(units)


def ngram_share(units: Sequence[str], n: int, allowed: int) -> float:
    """The share of ``units`` in stretches of ``n`` that already occurred ``allowed`` times before."""
    if len(units) <= n:
        return 0.0
    text = _as_code_points(units)
    times: dict[str, int] = {}
    covered = covered_to = 0
    for start in range(len(text) - n + 1):
        ngram = text[start : start + n]
        times[ngram] = times.get(ngram, 0) + 1
        if times[ngram] > allowed:
            covered += start + n - max(start, covered_to)
            covered_to = start + n
    return covered / len(units)


def sentence_share(sentences: Sequence[Sequence[str]]) -> float:
    """The share of all units that lie in sentences equal to an earlier one."""
    total = sum(len(units) for units in sentences)
    if total == 0:
        return 0.0
    seen: set[tuple[str, ...]] = set()
    repeated = 0
    for units in map(tuple, sentences):
        if units in seen:
            repeated += len(units)
        seen.add(units)
    return repeated / total


def _as_code_points(units: Sequence[str]) -> str:
    code: dict[str, str] = {}
    return "".join([code.setdefault(unit, chr(len(code))) for unit in units])
