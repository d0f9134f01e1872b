"""Computes a precision and its confidence interval from people's verdicts, for every kind of item.

Comes in: verdicts of people. Goes out: counts and Wilson intervals. Only items that were drawn evenly count;
those added because their kind is rare are counted separately. Not its job: choosing items (see sampling),
reading verdicts (see runs.human_verdicts).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from triptych.runs.human_verdicts import HumanVerdict
from triptych.runs.sampling import wilson_interval


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """The precision of one kind. ``low`` and ``high`` are the Wilson interval at 95 %, None if nothing
    counts."""

    kind: str
    good: int
    judged: int
    other_good: int
    other_judged: int
    """Verdicts on items that weren't drawn evenly."""
    low: float | None
    high: float | None


def precisions(verdicts: Iterable[HumanVerdict]) -> list[Precision]:
    """One per kind, in the order of first appearance."""
    by_kind: dict[str, list[HumanVerdict]] = {}
    for verdict in verdicts:
        by_kind.setdefault(verdict.kind, []).append(verdict)
    return [_precision(kind, judged) for kind, judged in by_kind.items()]


def _precision(kind: str, verdicts: list[HumanVerdict]) -> Precision:
    even = [verdict.is_right for verdict in verdicts if _counts(verdict)]
    others = [verdict.is_right for verdict in verdicts if not _counts(verdict)]
    low, high = wilson_interval(sum(even), len(even)) if even else (None, None)
    return Precision(
        kind=kind,
        good=sum(even),
        judged=len(even),
        other_good=sum(others),
        other_judged=len(others),
        low=low,
        high=high,
    )


def _counts(verdict: HumanVerdict) -> bool:
    """Whether the verdict counts towards the precision. "equal" says nothing on which caption is better."""
    return verdict.drawn == "even" and verdict.verdict != "equal"
