"""Histograms of each rule's scores, which show what another threshold would do.

Comes in: the scores of every rule on a block of captions. Goes out: bins around each threshold (see
runs.rule_scores), the same for any number of processes. Not its job: verdicts, rules that compare captions.
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
"""Steps of 7 for a threshold of 350 words, of 1 for one of 15 words."""
_SHARE_STEP = 0.01


class ScoreBin(NamedTuple):
    """The captions that are counted together."""

    job: str
    rule: str
    bin: int
    """In steps from the threshold."""
    is_alone: bool
    """Whether no other rule rejects the captions."""


def count_scores(
    job: str, rules: Sequence[JobRule], scores: NDArray[np.float64], rejects: NDArray[np.bool_]
) -> Counter[ScoreBin]:
    """Count the scores of ``n`` captions: ``scores[rules, n]``, and whether each rule rejects each caption.

    Rules that are violated above their threshold leave out scores of 0.
    """
    counts: Counter[ScoreBin] = Counter()
    others = rejects.sum(axis=0) - rejects
    for each, of_rule, alone in zip(rules, scores, others == 0, strict=True):
        rule = each.rule
        if rule.violated == "above":
            if not of_rule.any():
                continue
            is_counted = of_rule != 0
            of_rule, alone = of_rule[is_counted], alone[is_counted]
        steps = (of_rule - each.threshold) / _bin_width(each)
        for k, is_alone, count in in_bins(steps, alone, rule.violated):
            counts[ScoreBin(job, rule.name, k, is_alone)] += count
    return counts


def rule_scores(
    counts: Counter[ScoreBin], rules_by_job: Mapping[str, Sequence[JobRule]]
) -> Iterator[RuleScores]:
    """The counts of each job and rule."""
    of_rule: dict[tuple[str, str], dict[int, list[int]]] = {}
    for (job, rule, k, is_alone), count in counts.items():
        all_and_alone = of_rule.setdefault((job, rule), {}).setdefault(k, [0, 0])
        all_and_alone[0] += count
        all_and_alone[1] += count * is_alone
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
                step=_bin_width(each),
                bins=[(k, bins[k][0], bins[k][1]) for k in sorted(bins)],
            )


def _bin_width(each: JobRule) -> float:
    if each.rule.step is not None:
        return each.rule.step
    return _SHARE_STEP if each.rule.is_share else max(1.0, each.threshold // _STEPS_TO_ZERO)
