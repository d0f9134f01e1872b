"""Samples and statistics of sets and captions, from one pass over each.

Comes in: a run with finished sets, its jobs. Goes out: samples of sets, duplicates, single images, rejected
and failed captions; distributions and rule counts over everything. One shard is in memory at a time. Not its
job: counts for the funnel (see runs.ledger), building cards (see cards).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from triptych.jobs import Job
from triptych.records import (
    Caption,
    Duplicate,
    ImageRecord,
    ImageSet,
    Verdict,
    caption_id,
    reason_class,
    target_of,
)
from triptych.report.content import CaptionShown, RuleCounts
from triptych.report.neighbours import CosineHistogram
from triptych.report.sampling import Draw, Drawn, SpreadDraw, StratifiedDraw
from triptych.report.strata import Strata
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import digest_of_text
from triptych.runs.ledger import Ledger
from triptych.runs.plan import Target
from triptych.runs.rule_scores import RuleScores

EVEN_SETS = 40
"""Enough to know a precision of 0.9 to about ±0.1 (Wilson, 95 %)."""
MAX_SET_PICTURES = 240
"""Fewer sets are drawn if they are so large that they would need more pictures."""
SETS_PER_STRATUM = 1
MAX_RARE_SETS = 12
EVEN_DUPLICATES = 36
DUPLICATES_PER_STRATUM = 2
MAX_RARE_DUPLICATES = 8
EVEN_SINGLES = 60
LEAST_TO_READ = 150
"""Captions that are drawn evenly over all jobs. With few jobs, more single images are drawn."""
EVEN_REJECTED_PER_RULE = 10
REJECTED_PER_JOB = 2
"""Per rule; more are added if the even draw over its jobs has fewer of a job."""
FAILURES_PER_CLASS = 5
_QUARTERS = 4


class SampledSets(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one pass over sets and duplicates."""

    sizes: Counter[int]
    min_cosines: CosineHistogram
    mean_cosines: CosineHistogram
    duplicate_cosines: CosineHistogram
    sets: list[Drawn[ImageSet]]
    duplicates: list[Drawn[Duplicate]]
    duplicate_keys: set[str]
    """The keys of all duplicates."""


def sample_sets(context: RunContext, related: float | None, duplicate: float | None) -> SampledSets:
    """Read ``sets.jsonl`` and ``duplicates.jsonl`` once. ``related`` and ``duplicate`` are the thresholds
    between which sets were made, if known."""
    run, strata = context.folder, Strata(context, [job for job in context.jobs if job.is_multi])
    low, high = related if related is not None else 0.0, duplicate if duplicate is not None else 1.0
    sizes: Counter[int] = Counter()
    min_cosines = CosineHistogram("weakest pair of a set", "all sets")
    mean_cosines = CosineHistogram("mean over a set's pairs", "all sets")
    sets: StratifiedDraw[ImageSet] = StratifiedDraw(EVEN_SETS, SETS_PER_STRATUM)
    quarter_width = max(high - low, 1e-6) / _QUARTERS
    for each in run.sets():
        sizes[len(each.keys)] += 1
        min_cosines.add(each.min_cosine_similarity)
        mean_cosines.add(each.mean_cosine_similarity)
        quarter = int((each.min_cosine_similarity - low) / quarter_width)
        sets.offer(each.id, (quarter, len(each.keys)), each, strata.of(each.id, len(each.keys)))
    duplicates: StratifiedDraw[Duplicate] = StratifiedDraw(EVEN_DUPLICATES, DUPLICATES_PER_STRATUM)
    duplicate_cosines = CosineHistogram("duplicate and the image that is kept", "all duplicates")
    keys: set[str] = set()
    for copy in run.duplicates():
        keys.add(copy.key)
        duplicate_cosines.add(copy.cosine_similarity)
        # Both the surest duplicates and those just above the threshold are worth a look.
        nearness = "same bytes" if copy.reason == "same bytes" else f"{copy.cosine_similarity:.2f}"
        duplicates.offer(copy.key, nearness, copy)
    largest = max(sizes, default=1)
    return SampledSets(
        sizes=sizes,
        min_cosines=min_cosines,
        mean_cosines=mean_cosines,
        duplicate_cosines=duplicate_cosines,
        sets=sets.taken(MAX_SET_PICTURES // largest, min(MAX_RARE_SETS, MAX_SET_PICTURES // largest // 3)),
        duplicates=duplicates.taken(at_most_rare=MAX_RARE_DUPLICATES),
        duplicate_keys=keys,
    )


class Rejected(NamedTuple):
    """A caption that a rule rejected."""

    job: Job
    target: Target
    caption: Caption
    verdict: Verdict


class SampledCaptions:
    """Samples from the passes over captions: of sets first, then of the job that single images are drawn
    from."""

    def __init__(self, context: RunContext, set_ids: set[str]) -> None:
        self._context = context
        self._wanted = set_ids
        self._shown: dict[str, CaptionShown] = {}
        self._singles: list[ImageRecord] | None = None
        self._rejected: dict[str, StratifiedDraw[Rejected]] = {}
        self._failures: dict[tuple[str, str], Draw[tuple[str, str]]] = {}
        self.rule_counts = CountsOfRules(context.folder.rule_scores())
        self.made: dict[tuple[str, str], int] = {}
        """By job and shard: how many captions."""

    def read(self, ledger: Ledger) -> None:
        """Pass over the captions of all jobs.

        Single images are drawn from the smallest job that has enough, so that they have captions in all jobs.
        The targets of a smaller job are chosen by a hash, so the draw is even for larger jobs, too.
        """
        jobs = self._context.jobs
        made = {job.name: ledger.jobs[job.name].captioned or 0 for job in jobs}

        def turn(job: Job) -> tuple[bool, bool, int]:
            enough = made[job.name] >= even_singles(jobs)
            return not job.is_multi, not enough, made[job.name] if enough else -made[job.name]

        for job in sorted(jobs, key=turn):
            self._read_job(job, ledger.jobs[job.name].planned)

    def shown(self, job: Job, target: str) -> CaptionShown:
        """The caption of ``target`` (an image key or a set id); "not made" if the passes didn't meet it."""
        identifier = caption_id(job.name, target)
        return self._shown.get(identifier) or CaptionShown(
            id=identifier, job=job.name, language=job.language, state="not made"
        )

    @property
    def singles(self) -> list[Drawn[ImageRecord]]:
        """The single images that are shown, all drawn evenly."""
        return [Drawn(record, "even") for record in self._singles or []]

    def rejected(self, rule: str) -> list[Drawn[Rejected]]:
        """A sample of the captions whose reason for rejection is ``rule``."""
        return self._rejected[rule].taken() if rule in self._rejected else []

    def failures(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """A few ``(caption id, reason)`` by job and class."""
        return {key: draw.taken() for key, draw in sorted(self._failures.items())}

    def _read_job(self, job: Job, planned: int | None) -> None:
        draws_singles = not job.is_multi and self._singles is None
        singles: SpreadDraw[tuple[ImageRecord, CaptionShown]] = SpreadDraw(even_singles(self._context.jobs))
        strata = Strata(self._context, [job] if draws_singles else [])
        with self._context.progress.task(f"report {job.name}", planned, "captions") as task:
            for shard, all_planned in self._context.plan(job).read_all(verdicts=True):
                for each in all_planned:
                    if each.caption is None:
                        continue
                    self._see(job, each.target, each.caption, each.verdict)
                    record = each.target.images[0]
                    if draws_singles and (stratum := strata.of(record.key)) is not None:
                        shown = caption_shown(job, each.caption, each.verdict)
                        singles.offer(record.key, stratum, (record, shown))
                if captioned := sum(each.is_captioned for each in all_planned):
                    self.made[job.name, shard] = captioned
                task.advance(len(all_planned))
        if draws_singles:
            self._singles = [record for record, _ in singles.taken()]
            self._shown |= {shown.id: shown for _, shown in singles.taken()}
            self._wanted = self._wanted | {record.key for record in self._singles}

    def _see(self, job: Job, target: Target, caption: Caption, verdict: Verdict | None) -> None:
        if target_of(caption.id) in self._wanted:
            self._shown[caption.id] = caption_shown(job, caption, verdict)
        if caption.failure is not None:
            kind = (job.name, reason_class(caption.failure))
            self._failures.setdefault(kind, Draw(FAILURES_PER_CLASS)).offer(
                caption.id, (caption.id, caption.failure)
            )
        elif verdict is not None and verdict.reason is not None:
            self.rule_counts.add(job.name, verdict)
            draw = self._rejected.setdefault(
                verdict.reason, StratifiedDraw(EVEN_REJECTED_PER_RULE, REJECTED_PER_JOB)
            )
            draw.offer(caption.id, job.name, Rejected(job, target, caption, verdict))


def caption_shown(job: Job, caption: Caption, verdict: Verdict | None) -> CaptionShown:
    """A caption and its state."""
    state, why, rules = "not judged", "", list[str]()
    if caption.failure is not None:
        state, why = "failed", caption.failure
    elif verdict is not None:
        state = "kept" if verdict.keep else "rejected"
        rules = list(verdict.scores) or ([verdict.reason] if verdict.reason else [])
        why = ", ".join(rules)
    instead = verdict.text if verdict is not None else ""
    is_repaired = verdict is not None and bool(verdict.removed)
    text = instead if is_repaired else caption.text
    return CaptionShown(
        id=caption.id,
        job=job.name,
        language=job.language,
        state=state,
        text=text,
        digest=digest_of_text(text),
        edited="" if is_repaired else instead,
        removed=list(verdict.removed) if verdict is not None else [],
        unfit=verdict.unfit if verdict is not None else "",
        why=why,
        rules=rules,
    )


def even_singles(jobs: Sequence[Job]) -> int:
    """How many single images are drawn evenly."""
    on_sets = sum(job.is_multi for job in jobs)
    missing = LEAST_TO_READ - EVEN_SETS * on_sets
    return max(EVEN_SINGLES, math.ceil(missing / max(len(jobs) - on_sets, 1)))


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
