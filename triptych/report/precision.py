"""What a person's verdicts come to: a precision and its confidence interval for every kind.

Comes in: JSON Lines that the page's button downloads. Goes out: counts and Wilson intervals. Only
items that were drawn evenly count; those added because their kind is rare are counted beside. Not its
job: which items are shown (see sampling).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import msgspec

from triptych.errors import UsageError
from triptych.report.sampling import How
from triptych.runs.jsonl import UNDECODABLE

Z_95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


class HumanVerdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a verdicts file: what the page's keys g and b say of one item."""

    report: str
    kind: str
    """``set``, a job's name for its kept captions, ``near duplicate``, ``rejected: RULE``."""
    id: str
    good: bool
    drawn: How


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Of one kind. ``low`` and ``high`` are the Wilson interval at 95 %, None where nothing counts."""

    kind: str
    good: int
    judged: int
    rare_good: int
    rare_judged: int
    low: float | None
    high: float | None


def wilson_interval(good: int, judged: int, z: float = Z_95) -> tuple[float, float]:
    """The score interval of Wilson (1927) for ``good`` of ``judged`` (at least 1), within [0, 1]."""
    share = good / judged
    centre = share + z * z / (2 * judged)
    spread = z * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    scale = 1 + z * z / judged
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def read_verdicts(path: Path, report: str) -> list[HumanVerdict]:
    """The verdicts of a file, each item once.

    Raises UsageError where the file can't be read, a line isn't a verdict or is one on another report
    than ``report``, two lines contradict each other, or there is none at all.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"verdicts file {path}: {error.strerror}; name the file that the page's button downloaded"
        ) from None
    decoder = msgspec.json.Decoder(HumanVerdict)
    found: dict[str, tuple[int, HumanVerdict]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            verdict = decoder.decode(line)
        except UNDECODABLE as error:
            raise UsageError(
                f"{path}, line {number}: expected a verdict as the page's button writes it, found {error}"
            ) from None
        _check(path, number, verdict, report, found)
        found[f"{verdict.kind}\n{verdict.id}"] = (number, verdict)
    if not found:
        raise UsageError(f"{path} holds no verdicts; judge items in the page with g and b, then download")
    return [verdict for _, verdict in found.values()]


def precisions(verdicts: Iterable[HumanVerdict]) -> list[Precision]:
    """One for every kind, in the order in which kinds come up."""
    by_kind: dict[str, list[HumanVerdict]] = {}
    for verdict in verdicts:
        by_kind.setdefault(verdict.kind, []).append(verdict)
    return [_precision(kind, judged) for kind, judged in by_kind.items()]


def _precision(kind: str, verdicts: list[HumanVerdict]) -> Precision:
    even = [verdict.good for verdict in verdicts if verdict.drawn == "even"]
    rare = [verdict.good for verdict in verdicts if verdict.drawn == "rare"]
    low, high = wilson_interval(sum(even), len(even)) if even else (None, None)
    return Precision(
        kind=kind,
        good=sum(even),
        judged=len(even),
        rare_good=sum(rare),
        rare_judged=len(rare),
        low=low,
        high=high,
    )


def _check(
    path: Path, number: int, verdict: HumanVerdict, report: str, found: dict[str, tuple[int, HumanVerdict]]
) -> None:
    if verdict.report != report:
        raise UsageError(
            f"{path}, line {number}: a verdict on report {verdict.report}, but this run's is {report};"
            " name the run that was judged, or judge its new report"
        )
    before = found.get(f"{verdict.kind}\n{verdict.id}")
    if before is not None and before[1].good != verdict.good:
        raise UsageError(
            f"{path}, line {number}: {verdict.id} is {_word(verdict)} here and {_word(before[1])} in line"
            f" {before[0]}; keep one of the two lines"
        )


def _word(verdict: HumanVerdict) -> str:
    return "good" if verdict.good else "bad"
