"""Counts of the scores of all captions, rule by rule: what shows where a bound could be instead.

Comes in: the scores of every rule on a caption. Goes out: bins around each bound (see runs.rule_scores),
the same for any number of processes. Not its job: verdicts; rules that compare captions with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.old_rules import RULES
from triptych.records import JOB_NAMES, JobName
from triptych.runs.rule_scores import RuleScores

MOST_STEPS = 100
"""Bins on either side of a bound. What lies beyond is put into the last."""

_FINE_STEPS: dict[RuleName, float] = {
    "wrong_language": 0.01,
    "traditional": 0.01,
    "repeated": 0.01,
    "ungrounded": 0.01,
    "speculation": 0.5,
}
"""Of rules that score in shares, and in halves. The others count things."""

_STEPS_TO_ZERO = 50
"""A bound of 350 words is moved by 7, one of 15 words by 1."""

_ROUNDING = 1e-9
"""A score of 0.3 is not beyond a bound of 0.1 + 20 steps of 0.01."""

Key = tuple[JobName, int, int, bool]
"""Job, place of the rule in the config, bin, and whether no other rule drops the caption."""


class _Scale(NamedTuple):
    """Where the bins of a rule lie in a job."""

    rule: RuleName
    bound: float
    step: float
    is_above: bool


class ScoreCounter:
    """Counts the captions of one process."""

    def __init__(self, config: FilteringConfig) -> None:
        self._scales = {job: _scales(config, job) for job in JOB_NAMES}
        self._flags = frozenset(config.flags)
        self.counts: Counter[Key] = Counter()

    def add(self, job: JobName, scores: NDArray[np.float64], is_beyond: NDArray[np.bool_]) -> None:
        """``n`` captions: ``[rules, n]``, the score of each rule in the config's order, and whether it is
        beyond the bound."""
        scales = self._scales[job]
        drops = is_beyond & np.array([scale.rule not in self._flags for scale in scales], np.bool_).reshape(
            -1, 1
        )
        others = drops.sum(axis=0) - drops
        for place, (_, bound, step, is_above) in enumerate(scales):
            of_rule, alone = scores[place], others[place] == 0
            if is_above:
                if not of_rule.any():
                    continue
                is_counted = of_rule != 0
                of_rule, alone = of_rule[is_counted], alone[is_counted]
            away = (of_rule - bound) / step
            k = np.ceil(away - _ROUNDING) if is_above else np.floor(away + _ROUNDING)
            bins = 2 * (np.clip(k, -MOST_STEPS, MOST_STEPS).astype(np.int64) + MOST_STEPS) + alone
            counted = np.bincount(bins)
            for both in np.flatnonzero(counted).tolist():
                self.counts[job, place, both // 2 - MOST_STEPS, both % 2 == 1] += int(counted[both])


def rule_scores(
    config: FilteringConfig, counts: Counter[Key], jobs: Sequence[JobName]
) -> Iterator[RuleScores]:
    """What was counted, a rule and job at a time."""
    of_rule: dict[tuple[JobName, int], dict[int, list[int]]] = {}
    for (job, place, k, alone), count in counts.items():
        both = of_rule.setdefault((job, place), {}).setdefault(k, [0, 0])
        both[0] += count
        both[1] += count * alone
    for job in jobs:
        for place, scale in enumerate(_scales(config, job)):
            bins = of_rule.get((job, place), {})
            yield RuleScores(
                job=job,
                rule=scale.rule,
                setting=_setting(scale.rule, job),
                bound=scale.bound,
                drops="above" if scale.is_above else "below",
                step=scale.step,
                bins=[(k, bins[k][0], bins[k][1]) for k in sorted(bins)],
            )


def _scales(config: FilteringConfig, job: JobName) -> list[_Scale]:
    scales = []
    for name in config.rules:
        if name in RULES:
            bound = RULES[name].bound(config, job)
            step = _FINE_STEPS.get(name) or max(1.0, bound // _STEPS_TO_ZERO)
            scales.append(_Scale(name, bound, step, RULES[name].drops == "above"))
    return scales


class _Asked:
    """Stands in for a config, to learn which setting a rule's bound is."""

    name = ""

    def __getattr__(self, name: str) -> float:
        self.name = name
        return 0.0


def _setting(rule: RuleName, job: JobName) -> str:
    asked = _Asked()
    RULES[rule].bound(cast("FilteringConfig", asked), job)
    return asked.name
