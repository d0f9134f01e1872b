"""Counts of a job's captions and verdicts, from its journals and verdict files.

Comes in: what a job plans in a shard, as its plan reads it. Goes out: counts, and what contradicts itself, in
words. A stage that reads all of a job anyway counts it on the way (see JobRecount). Not its job: images and
sets (see images).
"""

from __future__ import annotations

from collections import Counter

import msgspec

from triptych.progress import Task
from triptych.runs.done_shards import CaptionCounts, DoneShards
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, PlannedShard
from triptych.runs.staleness import is_judged


class JobCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything that a job plans. None: not known yet."""

    planned: int | None = None
    captioned: int | None = None
    """Targets with a caption; failures are not among them."""
    failed: dict[str, int] | None = None
    """By class of failure."""
    pending: int | None = None
    """Targets with neither a caption nor a failure yet."""
    kept: int | None = None
    repaired: int | None = None
    """Of those kept, the ones without sentences that a checker denied."""
    rejected: dict[str, int] | None = None
    """By the first rule that rejects."""


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of what a job plans in one shard, and what contradicts itself there."""

    shard: str
    captions: CaptionCounts
    kept: int
    repaired: int
    rejected: dict[str, int]
    contradictions: list[str]


def count_shard(shard: PlannedShard, *, all_judged: bool) -> ShardCounts:
    """Count a shard that was read with its verdicts. ``all_judged``: every caption is to have one."""
    kept = repaired = 0
    rejected: Counter[str] = Counter()
    contradictions = _repeated_or_stray(shard, all_judged=all_judged)
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


def _repeated_or_stray(shard: PlannedShard, *, all_judged: bool) -> list[str]:
    return [
        *(f"{i} is captioned twice in shard {shard.name}" for i in shard.repeated_captions),
        *(f"{i} is judged twice in shard {shard.name}" for i in shard.repeated_verdicts),
        *(f"verdict on {i}, which has no caption in the plan" for i in shard.stray_verdicts if all_judged),
    ]


class JobRecount:
    """One job, added up shard by shard."""

    def __init__(self, folder: RunFolder, job: str) -> None:
        self._folder, self._job = folder, job
        self._shards: list[ShardCounts] = []

    def add(self, counts: ShardCounts) -> None:
        """Take in what ``count_shard`` has found."""
        self._shards.append(counts)

    def counts(self) -> JobCounts:
        """Of all shards that were added."""
        judged = is_judged(self._folder, self._job)
        captions = CaptionCounts.added_up(each.captions for each in self._shards)
        rejected = sum((Counter(each.rejected) for each in self._shards), Counter[str]())
        return JobCounts(
            planned=captions.planned,
            captioned=captions.captioned,
            failed=dict(sorted(captions.failed_by.items())),
            pending=captions.missing,
            kept=sum(each.kept for each in self._shards) if judged else None,
            repaired=sum(each.repaired for each in self._shards) if judged else None,
            rejected=dict(sorted(rejected.items())) if judged else None,
        )

    def contradictions(self) -> list[str]:
        """Those of the shards, and verdicts filed under a shard that plans nothing for this job."""
        found = [line for each in self._shards for line in each.contradictions]
        if not is_judged(self._folder, self._job):
            return found
        root = self._folder.path / "verdicts" / self._job
        filed = ((path, path.relative_to(root).as_posix()) for path in sorted(root.rglob("*.jsonl")))
        counted = {each.shard for each in self._shards}
        return found + [
            f"{path}: verdicts of a shard that plans nothing for {self._job}"
            for path, name in filed
            if name.removesuffix(".jsonl") not in counted
        ]


def recount_captions(plan: JobPlan, task: Task) -> tuple[JobCounts, list[str]]:
    """The counts, and what contradicts itself. Needs finished sets that don't contradict themselves."""
    recount = JobRecount(plan.folder, plan.job.name)
    all_judged = is_judged(plan.folder, plan.job.name)
    noted, wrong = DoneShards(plan.folder, plan.job), []
    believed = noted.read()
    for name in plan.folder.shards():
        shard = plan.read_shard(name)
        if shard.planned:
            counts = count_shard(shard, all_judged=all_judged)
            recount.add(counts)
            task.advance(len(shard.planned))
            if name in believed and believed[name] != counts.captions:
                wrong.append(f"{plan.job.name}: {noted.path} has other counts of {name} than its journal")
    return recount.counts(), recount.contradictions() + wrong
