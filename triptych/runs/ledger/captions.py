"""Counts of a job's captions and verdicts, from its journals and verdict files.

Comes in: the shards of a job's plan. Goes out: counts, and contradictions in words. Export, which reads all
of a job anyway, counts it on the way. Not its job: images and sets (see images).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from triptych.progress import Task
from triptych.runs.caption_counts import CaptionCountCache, CaptionCounts
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, PlannedShard
from triptych.runs.staleness import is_judged


class JobCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything that a job plans. None: not known yet."""

    planned: int | None = None
    captioned: int | None = None
    """Without failures."""
    failed: dict[str, int] | None = None
    """By class of failure."""
    pending: int | None = None
    """Targets with neither a caption nor a failure yet."""
    kept: int | None = None
    repaired: int | None = None
    """The kept captions from which sentences that a checker denied were removed."""
    rejected: dict[str, int] | None = None
    """By the first rule that rejects."""


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a job in one shard, and the contradictions there."""

    shard: str
    captions: CaptionCounts
    kept: int
    repaired: int
    rejected: dict[str, int]
    contradictions: list[str]


def count_shard(shard: PlannedShard, *, all_judged: bool) -> ShardCounts:
    """Count a shard that was read with its verdicts. ``all_judged``: every caption should have one."""
    kept = repaired = 0
    rejected: Counter[str] = Counter()
    contradictions = [
        *(f"{i} is captioned twice in shard {shard.name}" for i in shard.repeated_captions),
        *(f"{i} is judged twice in shard {shard.name}" for i in shard.repeated_verdicts),
        *(f"verdict on {i}, which has no caption in the plan" for i in shard.stray_verdicts if all_judged),
    ]
    for each in shard.planned:
        verdict = each.verdict
        if not each.is_captioned:
            continue
        if verdict is None:
            if all_judged:
                contradictions.append(f"no verdict on {each.target.id}")
        elif verdict.keep == (verdict.reason is not None):
            contradictions.append(f"verdict on {verdict.id}: keep is {verdict.keep}, reason {verdict.reason}")
        elif verdict.keep:
            kept += 1
            repaired += verdict.is_repaired
        else:
            rejected[str(verdict.reason)] += 1
    return ShardCounts(
        shard=shard.name,
        captions=CaptionCounts.of(shard.planned),
        kept=kept,
        repaired=repaired,
        rejected=rejected,
        contradictions=contradictions,
    )


def sum_shards(folder: RunFolder, job: str, shards: Sequence[ShardCounts]) -> tuple[JobCounts, list[str]]:
    """The counts and contradictions of ``job`` over all ``shards`` in which it plans anything."""
    captions = CaptionCounts.added_up(each.captions for each in shards)
    counts = JobCounts(
        planned=captions.planned,
        captioned=captions.captioned,
        failed=dict(sorted(captions.failed_by.items())),
        pending=captions.missing,
    )
    contradictions = [line for each in shards for line in each.contradictions]
    if not is_judged(folder, job):
        return counts, contradictions
    root, names = folder.path / "verdicts" / job, {f"{each.shard}.jsonl" for each in shards}
    contradictions += [
        f"{path}: verdicts of a shard that plans nothing for {job}"
        for path in sorted(root.rglob("*.jsonl"))
        if path.relative_to(root).as_posix() not in names
    ]
    rejected = sum((Counter(each.rejected) for each in shards), Counter[str]())
    counts = msgspec.structs.replace(
        counts,
        kept=sum(each.kept for each in shards),
        repaired=sum(each.repaired for each in shards),
        rejected=dict(sorted(rejected.items())),
    )
    return counts, contradictions


def recount_captions(plan: JobPlan, task: Task) -> tuple[JobCounts, list[str]]:
    """Recount a job: its counts and contradictions. Needs finished sets without contradictions."""
    all_judged = is_judged(plan.folder, plan.job.name)
    cache = CaptionCountCache(plan.folder, plan.job)
    cached, shards, wrong = cache.read(), list[ShardCounts](), list[str]()
    for name in plan.folder.shards():
        shard = plan.read_shard(name)
        if shard.planned:
            counts = count_shard(shard, all_judged=all_judged)
            shards.append(counts)
            task.advance(len(shard.planned))
            if cached.get(name, counts.captions) != counts.captions:
                wrong.append(f"{plan.job.name}: {cache.path} has other counts of {name} than its journal")
    job_counts, contradictions = sum_shards(plan.folder, plan.job.name, shards)
    return job_counts, contradictions + wrong
