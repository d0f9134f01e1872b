"""Computes the precision of each kind of item, with its interval at 95%, from people's verdicts.

Comes in: verdicts of people; of kept captions that a model checked (see runs.checks), its answers, too. Goes
out: counts with Wilson intervals, narrower ones by the checker's answers, and how many verdicts an interval
needs. Only items that were drawn evenly count; those added because their kind is rare are counted separately.
Not its job: choosing items (see sampling), reading verdicts (see runs.human_verdicts).

Prediction-powered inference: the checker's mean over the captions that nobody judged, corrected by its error
on the judged ones (Angelopoulos et al., Science 382, 2023), with the weight on the checker that minimises the
variance (PPI++, arXiv 2311.01453). The normal interval is too short for shares near 1, so the variance is
converted into the number of verdicts that would give it without the checker, and Wilson's interval is taken
for that number. In simulations it holds in 94 to 96% of trials (`python -m benchmarks.precision_intervals`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.filtering.human_overrides import BY_PEOPLE
from triptych.jobs import Job
from triptych.runs.checks import read_checks, untruth_of
from triptych.runs.context import RunContext
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text
from triptych.runs.plan import Planned
from triptych.runs.sampling import wilson_interval

LEAST_VERDICTS = 30
"""Fewer verdicts don't show how wrong the checker is."""


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """The precision of one kind. ``low`` and ``high`` are the Wilson interval at 95%, None if nothing
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
    by_kind: dict[str, tuple[list[bool], list[bool]]] = {}
    for each in verdicts:
        # "equal" says nothing on which caption is better.
        counts = each.drawn == "even" and each.verdict != "equal"
        by_kind.setdefault(each.kind, ([], []))[not counts].append(each.is_right)
    found = []
    for kind, (even, others) in by_kind.items():
        low, high = wilson_interval(sum(even), len(even)) if even else (None, None)
        found.append(
            Precision(
                kind=kind,
                good=sum(even),
                judged=len(even),
                other_good=sum(others),
                other_judged=len(others),
                low=low,
                high=high,
            )
        )
    return found


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A share with its interval, all in [0, 1]."""

    share: float
    low: float
    high: float
    worth: float
    """The number of verdicts that would give this interval without the checker."""


def corrected(
    is_good: Sequence[bool], said: Sequence[float], said_of_all: Sequence[float] | NDArray[np.float64]
) -> Corrected | None:
    """The share of good captions among all that were checked.

    ``is_good``: people's verdicts on n captions drawn evenly; ``said``: the checker's answers on the same
    captions, in [0, 1]; ``said_of_all``: its answers on all N, those n included. None for n below
    LEAST_VERDICTS.
    """
    n, everyone = len(is_good), np.asarray(said_of_all, np.float64)
    if n < LEAST_VERDICTS:
        return None
    good, guessed = np.asarray(is_good, np.float64), np.asarray(said, np.float64)
    spread, others = float(everyone.var()), len(everyone) - n
    if not spread or not good.var() or not others:
        low, high = wilson_interval(float(good.sum()), n)
        return Corrected(share=float(good.mean()), low=low, high=high, worth=float(n))
    together = float(np.cov(good, guessed, ddof=1)[0, 1])
    weight = min(max(together / ((1 + n / others) * spread), 0.0), 1.0)
    off = good - weight * guessed
    said_of_others = float(everyone.sum() - guessed.sum()) / others  # without the n, which ``off`` counts
    share = min(max(weight * said_of_others + float(off.mean()), 0.0), 1.0)
    variance = weight**2 * spread / others + float(off.var(ddof=1)) / n
    alone = float(good.var(ddof=1)) / n
    worth = n * max(alone / variance, 1.0) if variance else float(n)
    low, high = wilson_interval(share * worth, worth)
    return Corrected(share=share, low=low, high=high, worth=worth)


def corrected_by_checks(context: RunContext, verdicts: Iterable[HumanVerdict]) -> dict[str, Corrected]:
    """The precision of kept captions by job, for jobs that were checked and have enough verdicts.

    Verdicts on a text that the caption no longer has don't count.
    """
    is_good: dict[str, dict[tuple[str, str], bool]] = {}
    for each in verdicts:
        if each.drawn == "even" and each.kind == each.job:
            is_good.setdefault(each.job, {})[each.caption, each.of] = each.is_right
    found: dict[str, Corrected] = {}
    for job in context.jobs:
        judged = is_good.get(job.name, {})
        goods, said, said_of_all = list[bool](), list[float](), array("d")
        for planned, true in _checked(context, job) if judged else ():
            said_of_all.append(true)
            # If a person edited the caption, the verdict is on the model's text.
            texts = (planned.text, planned.caption.text if planned.caption is not None else "")
            items = [(planned.target.id, digest_of_text(text)) for text in texts]
            if met := [judged[item] for item in items if item in judged]:
                goods.append(met[0])
                said.append(true)
        if said_of_all and (helped := corrected(goods, said, np.frombuffer(said_of_all))) is not None:
            found[job.name] = helped
    return found


def _checked(context: RunContext, job: Job) -> Iterator[tuple[Planned, float]]:
    """Captions that the rules keep, whatever people said, with the probability that they are true, from the
    checker's answers on their sentences."""
    for shard, planned in context.plan(job).read_all(verdicts=True):
        checks = read_checks(context.folder, job.name, shard)
        for each in planned:
            if each.caption is None or each.verdict is None or not each.is_captioned:
                continue
            if each.is_kept or each.verdict.reason == BY_PEOPLE:
                made = checks.get(each.target.id, ())
                untruth = untruth_of(made, each.caption, each.target, each.verdict.removed)
                if untruth is not None:
                    yield each, 1 - untruth


def verdicts_for(share: float, half_width: float, worth_a_verdict: float = 1.0) -> int:
    """How many verdicts narrow the interval around ``share`` to ``half_width`` on either side.

    ``worth_a_verdict``: how many verdicts without a checker equal one with it.
    """
    few, many = 1, 2
    while _half_width(share, many) > half_width:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _half_width(share, middle) <= half_width else (middle, many)
    return math.ceil(many / worth_a_verdict)


def _half_width(share: float, judged: int) -> float:
    low, high = wilson_interval(share * judged, judged)
    return (high - low) / 2
