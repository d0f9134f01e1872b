"""Rejected captions: how many each rule rejects, and what duplicates repeat.

Comes in: verdicts, ids of captions. Goes out: the counts of each rule, captions by id. Not its job: drawing
examples (see samples).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from triptych.jobs import Job
from triptych.records import Caption, Verdict, target_of
from triptych.report.content import RuleCounts
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.plan import Target
from triptych.runs.rule_scores import RuleScores


class Rejected(NamedTuple):
    """A caption that a rule rejected."""

    job: Job
    target: Target
    caption: Caption
    verdict: Verdict


class Repeated(NamedTuple):
    """A caption that a duplicate repeats."""

    job: Job
    keys: tuple[str, ...]
    """The keys of its images, in order."""


def repeated_captions(run: RunFolder, jobs: Sequence[Job], ids: Collection[str]) -> dict[str, Repeated]:
    """The captions ``ids``, by id, without those of sets that no longer exist."""
    by_name = {job.name: job for job in jobs}
    job_of = {each: by_name[name] for each in ids if (name := each.partition(":")[0]) in by_name}
    wanted = {target_of(identifier) for identifier, job in job_of.items() if job.is_multi}
    sets = {one.id: one.keys for one in (run.sets() if wanted else ()) if one.id in wanted}
    found: dict[str, Repeated] = {}
    for identifier, job in job_of.items():
        target = target_of(identifier)
        keys = sets.get(target) if job.is_multi else (target,)
        if keys is not None:
            found[identifier] = Repeated(job, keys)
    return found


def texts_of(
    context: RunContext, repeated: Mapping[str, Repeated], shard_of: Mapping[str, str]
) -> dict[str, str]:
    """The text of each caption. A caption belongs to the shard of its first image."""
    wanted = {(job, shard_of[keys[0]]) for job, keys in repeated.values() if keys[0] in shard_of}
    captions = (each.caption for job, shard in wanted for each in context.plan(job).read(shard))
    return {
        caption.id: caption.text for caption in captions if caption is not None and caption.id in repeated
    }


class CountsOfRules:
    """Counts rejections, by rule and job."""

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
        """The rules that rejected anything, the most frequent reason first; then those that could."""
        totals: Counter[str] = Counter()
        for rule, job in self._caught:  # includes rules that are never the reason
            totals[rule] += self._first[rule, job]
        rejecting = sorted(totals, key=lambda rule: (-totals[rule], rule))
        could = {rule: None for (rule, _), each in self._scores.items() if _is_movable(each)}
        return rejecting + [rule for rule in could if rule not in totals]

    def counts(self, rule: str, jobs: Sequence[str]) -> list[RuleCounts]:
        """The counts of ``rule`` in those of ``jobs`` where it rejected anything, or would with another
        threshold."""
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
    """Whether the threshold is a setting, and another value would change anything."""
    return bool(scores.setting and scores.bins)
