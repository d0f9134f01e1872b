"""Counts of one job's captions and verdicts, from the journals and verdict files.

Comes in: a run folder, a job, its limit. Goes out: counts, and what contradicts itself, in words.
Not its job: images and sets (see recount_images).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from corpus.plan import planned_targets
from corpus.progress import Task
from corpus.records import Caption, JobName, Verdict
from corpus.recount_images import reason_class
from corpus.runfolder import RunFolder

_R = TypeVar("_R", Caption, Verdict)


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
    dropped: dict[str, int] | None = None
    """By the first rule that drops."""


def recount_captions(
    run: RunFolder, job: JobName, limit: int | None, task: Task
) -> tuple[JobCounts, list[str]]:
    """The counts, and one offence a contradiction. Needs finished sets that don't contradict themselves."""
    tally = _Tally(run, job)
    for shard, targets in planned_targets(run, job, limit):
        tally.add_shard(shard, [target.id for target in targets])
        task.advance(len(targets))
    tally.find_stray_files()
    return tally.counts(), tally.offences


class _Tally:
    """Adds up one job, shard by shard."""

    def __init__(self, run: RunFolder, job: JobName) -> None:
        self._run, self._job = run, job
        self._planned = self._captioned = self._pending = self._kept = 0
        self._failed: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._shards: set[str] = set()
        self.offences: list[str] = []

    def add_shard(self, shard: str, planned: list[str]) -> None:
        self._shards.add(shard)
        captions = self._once(self._run.captions(self._job, shard), "captioned", shard)
        captioned = set()
        for identifier in planned:
            self._planned += 1
            caption = captions.get(identifier)
            if caption is None:
                self._pending += 1
            elif caption.failure is not None:
                self._failed[reason_class(caption.failure)] += 1
            else:
                self._captioned += 1
                captioned.add(identifier)
        self._add_verdicts(shard, captioned)

    def _add_verdicts(self, shard: str, captioned: set[str]) -> None:
        verdicts = self._once(self._run.verdicts(self._job, shard), "judged", shard)
        for identifier, verdict in verdicts.items():
            if identifier not in captioned:
                self.offences.append(f"verdict on {identifier}, which has no caption in the plan")
            elif verdict.keep and verdict.reason is None:
                self._kept += 1
            elif not verdict.keep and verdict.reason is not None:
                self._dropped[verdict.reason] += 1
            else:
                self.offences.append(
                    f"verdict on {identifier}: keep is {verdict.keep}, reason {verdict.reason}"
                )
        if self._run.is_finished("verdicts"):
            self.offences += [f"no verdict on {i}" for i in sorted(captioned - verdicts.keys())]

    def find_stray_files(self) -> None:
        """Verdicts filed under a shard that plans nothing for this job."""
        root = self._run.path / "verdicts" / self._job
        for path in sorted(root.rglob("*.jsonl")):
            shard = path.relative_to(root).as_posix()[: -len(".jsonl")]
            if shard not in self._shards:
                self.offences.append(f"{path}: verdicts of a shard that plans nothing for {self._job}")

    def counts(self) -> JobCounts:
        judged = self._run.is_finished("verdicts")
        return JobCounts(
            planned=self._planned,
            captioned=self._captioned,
            failed=dict(sorted(self._failed.items())),
            pending=self._pending,
            kept=self._kept if judged else None,
            dropped=dict(sorted(self._dropped.items())) if judged else None,
        )

    def _once(self, records: Iterable[_R], what: str, shard: str) -> dict[str, _R]:
        """The records by id; an id that comes again is an offence."""
        by_id: dict[str, _R] = {}
        for record in records:
            if record.id in by_id:
                self.offences.append(f"{record.id} is {what} twice in shard {shard}")
            by_id[record.id] = record
        return by_id
