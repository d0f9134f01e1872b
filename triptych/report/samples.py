"""Samples and statistics of sets and captions, from one pass over each.

Comes in: a run with finished sets, its jobs. Goes out: samples of sets, duplicates, single images, rejected
and failed captions, stratified by size and checks; distributions over everything. One shard is in memory at a
time. Not its job: drawing (see sampling), counts for the funnel (see runs.ledger), cards (see cards).
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from collections.abc import Hashable, Sequence

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
from triptych.report.captions import caption_shown
from triptych.report.content import CaptionShown
from triptych.report.neighbours import CosineHistogram
from triptych.report.rejected import CountsOfRules, Rejected
from triptych.report.sampling import Draw, Drawn, SpreadDraw, StratifiedDraw
from triptych.runs.checks import read_checks, worst_answer
from triptych.runs.context import RunContext
from triptych.runs.ledger import Ledger
from triptych.runs.plan import Target
from triptych.runs.sampling import drawn_rank

EVEN_SETS = 40
"""Enough to know a precision of 0.9 to about ±0.1 (Wilson, 95%)."""
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
POOL = 4000
"""Checked images or sets that are kept, those with the smallest hashes; some dozen of them are drawn."""
LEAST_CHECKED = 300
"""With at least so many checked captions, only those are drawn."""
UNTRUTHS = (0.02, 0.1, 0.5)
"""Bounds between strata: the probability that the least likely statement is untrue."""
NOT_CHECKED = -1


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


def even_singles(jobs: Sequence[Job]) -> int:
    """How many single images are drawn evenly."""
    on_sets = sum(job.is_multi for job in jobs)
    missing = LEAST_TO_READ - EVEN_SETS * on_sets
    return max(EVEN_SINGLES, math.ceil(missing / max(len(jobs) - on_sets, 1)))


class Strata:
    """Strata for even draws: by the size of a set, and by a checker's answers on its captions.

    If enough captions were checked, only those are drawn: a checker's answers help a precision only where
    people judged the same captions.
    """

    def __init__(self, context: RunContext, jobs: Sequence[Job]) -> None:
        """Reads the checks of ``jobs`` once."""
        pool: Draw[tuple[str, float]] = Draw(POOL)
        for job in jobs:
            for shard in context.folder.shards() if job.name in context.folder.run_file.checks else ():
                for caption, answers in read_checks(context.folder, job.name, shard).items():
                    of_text = [each for each in answers if each.content == answers[-1].content]
                    pool.offer(target_of(caption), (target_of(caption), worst_answer(of_text)))
        self._untruth: dict[str, float] = {}
        for target, untruth in pool.taken():
            self._untruth[target] = max(untruth, self._untruth.get(target, 0.0))
        self._last_rank = max(map(drawn_rank, self._untruth), default=None)

    def of(self, target: str, size: int = 1) -> Hashable | None:
        """The stratum of a set of ``size`` images, or of an image; None if it must not be drawn."""
        if self._last_rank is None:
            return (size,)
        if drawn_rank(target) > self._last_rank:
            return None if len(self._untruth) >= LEAST_CHECKED else (size, NOT_CHECKED)
        untruth = self._untruth.get(target)
        return size, NOT_CHECKED if untruth is None else bisect(UNTRUTHS, untruth)
