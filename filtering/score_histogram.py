"""Counts of the scores of all captions, rule by rule: what shows where a threshold could be instead.

Comes in: the scores of every rule on a block of captions. Goes out: bins around each threshold (see
runs.rule_scores), the same for any number of processes. Not its job: verdicts; rules that compare captions
with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.rule import JobRule
from triptych.runs.rule_scores import RuleScores, in_bins

_STEPS_TO_ZERO = 50
"""A threshold of 350 words is moved by 7, one of 15 words by 1."""

_SHARE_STEP = 0.01


class Bins(NamedTuple):
    """Which captions are counted."""

    job: str
    rule: str
    bin: int
    """In steps from the threshold."""
    is_alone: bool
    """Whether no other rule rejects them."""


def count_scores(
    job: str, rules: Sequence[JobRule], scores: NDArray[np.float64], rejects: NDArray[np.bool_]
) -> Counter[Bins]:
    """Counts of ``n`` captions: ``scores[rules, n]``, and whether each rule rejects each caption.

    Scores of 0 are left out of rules that are violated above their threshold.
    """
    counts: Counter[Bins] = Counter()
    others = rejects.sum(axis=0) - rejects
    for at, (rule, threshold, _) in enumerate(rules):
        of_rule, alone = scores[at], others[at] == 0
        if rule.violated == "above":
            if not of_rule.any():
                continue
            is_counted = of_rule != 0
            of_rule, alone = of_rule[is_counted], alone[is_counted]
        away = (of_rule - threshold) / step_of(rules[at])
        for k, is_alone, count in in_bins(away, alone, rule.violated):
            counts[Bins(job, rule.name, k, is_alone)] += count
    return counts


def rule_scores(counts: Counter[Bins], rules_by_job: Mapping[str, Sequence[JobRule]]) -> Iterator[RuleScores]:
    """What was counted, a rule and job at a time."""
    of_rule: dict[tuple[str, str], dict[int, list[int]]] = {}
    for (job, rule, k, is_alone), count in counts.items():
        both = of_rule.setdefault((job, rule), {}).setdefault(k, [0, 0])
        both[0] += count
        both[1] += count * is_alone
    for job, rules in rules_by_job.items():
        for each in rules:
            if each.rule.measure is None:
                continue
            bins = of_rule.get((job, each.rule.name), {})
            yield RuleScores(
                job=job,
                rule=each.rule.name,
                setting=f"thresholds.{each.rule.name}.{job}",
                threshold=each.threshold,
                violated=each.rule.violated,
                step=step_of(each),
                bins=[(k, bins[k][0], bins[k][1]) for k in sorted(bins)],
            )


def step_of(each: JobRule) -> float:
    """How far a threshold is moved in one step."""
    if each.rule.step is not None:
        return each.rule.step
    return _SHARE_STEP if each.rule.is_share else max(1.0, each.threshold // _STEPS_TO_ZERO)
