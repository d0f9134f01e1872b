"""How many captions each rule rejects, and what it would reject with another threshold.

Comes in: verdicts, one at a time, and the filter's counts of scores. Goes out: counts, by rule and job. Not
its job: counting scores (see filtering).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from triptych.records import Verdict
from triptych.report.content import RuleCounts
from triptych.runs.rule_scores import RuleScores


class CountsOfRules:
    """The counts of every rule in every job."""

    def __init__(self, scores: Iterable[RuleScores]) -> None:
        self._scores = {(each.rule, each.job): each for each in scores}
        self._first: Counter[tuple[str, str]] = Counter()
        self._caught: Counter[tuple[str, str]] = Counter()
        self._alone: Counter[tuple[str, str]] = Counter()

    def add(self, job: str, verdict: Verdict) -> None:
        """Count a verdict that rejects."""
        if verdict.reason is None:
            return
        self._first[verdict.reason, job] += 1
        scores = verdict.scores or {verdict.reason: 0.0}
        for rule in scores:
            self._caught[rule, job] += 1
            self._alone[rule, job] += len(scores) == 1

    def rules(self) -> list[str]:
        """The rules that rejected anything, by how often they are the reason; then those that could."""
        totals: Counter[str] = Counter()
        for rule, job in self._caught:  # a rule that is never the first is listed too
            totals[rule] += self._first[rule, job]
        rejecting = sorted(totals, key=lambda rule: (-totals[rule], rule))
        could = {rule: None for (rule, _), each in self._scores.items() if _is_movable(each)}
        return rejecting + [rule for rule in could if rule not in totals]

    def counts(self, rule: str, jobs: Sequence[str]) -> list[RuleCounts]:
        """``rule`` in each of ``jobs`` where it rejected anything, or would with another threshold."""
        rows = []
        for job in jobs:
            scores = self._scores.get((rule, job))
            movable = scores is not None and _is_movable(scores)
            if movable or self._caught[rule, job]:
                rows.append(
                    RuleCounts(
                        job=job,
                        first=self._first[rule, job],
                        caught=self._caught[rule, job],
                        alone=self._alone[rule, job],
                        scores=scores if movable else None,
                    )
                )
        return rows


def _is_movable(scores: RuleScores) -> bool:
    """Whether its threshold is a setting, and another one would change anything."""
    return bool(scores.setting and scores.bins)
