"""How many captions each rule drops, by score: what shows how the count would move with its bound.

Comes in: verdicts, one at a time. Goes out: counts. Verdicts hold the scores of rules that drop, so a
bound can be seen loosened, not tightened. Not its job: what the scores mean (see bounds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from corpus.records import JobName, Verdict
from corpus.runfolder import Setting
from export.report.bounds import bound_of
from export.report.content import RuleCounts

MOST_SCORES = 120
"""Points of a curve. More scores are put into as many bins of one width."""


class RuleTallies:
    """The tallies of every rule in every job."""

    def __init__(self) -> None:
        self._first: Counter[tuple[str, JobName]] = Counter()
        self._scores: dict[tuple[str, JobName], Counter[tuple[float, bool]]] = {}

    def add(self, job: JobName, verdict: Verdict) -> None:
        """Count a verdict that drops."""
        if verdict.reason is None:
            return
        self._first[verdict.reason, job] += 1
        scores = verdict.scores or {verdict.reason: 0.0}
        for rule, score in scores.items():
            tally = self._scores.setdefault((rule, job), Counter())
            tally[round(score, 2), len(scores) == 1] += 1

    def rules(self) -> list[str]:
        """Every rule that dropped anything, by how often it is the reason."""
        totals: Counter[str] = Counter()
        for rule, job in self._scores:  # a rule that is never the first is listed too
            totals[rule] += self._first[rule, job]
        return sorted(totals, key=lambda rule: (-totals[rule], rule))

    def counts(self, rule: str, jobs: Sequence[JobName], settings: Mapping[str, Setting]) -> list[RuleCounts]:
        """``rule`` in each of ``jobs`` where it dropped anything."""
        return [
            RuleCounts(
                job=job,
                first=self._first[rule, job],
                caught=sum(tally.values()),
                alone=sum(count for (_, alone), count in tally.items() if alone),
                bound=bound_of(rule, job, settings),
                scores=_by_score(tally),
            )
            for job in jobs
            if (tally := self._scores.get((rule, job))) is not None
        ]


def _by_score(tally: Counter[tuple[float, bool]]) -> list[tuple[float, int, int]]:
    caught: Counter[float] = Counter()
    alone: Counter[float] = Counter()
    scores = {score for score, _ in tally}
    low, high = min(scores), max(scores)
    width = (high - low) / (MOST_SCORES - 1) if len(scores) > MOST_SCORES else 0.0
    for (score, is_alone), count in tally.items():
        at = low + width * round((score - low) / width) if width else score
        caught[at] += count
        alone[at] += count * is_alone
    return [(round(score, 2), caught[score], alone[score]) for score in sorted(caught)]
