"""What is left to caption, in groups that don't depend on what is already done.

Comes in: the plan of a job, its journals, a group size. Goes out: counts, and the groups that miss a caption.
Groups are cut from the plan alone, so that a batch always holds the same requests: on resume, a group with
one caption missing is asked again as a whole, which gives the same rounding. Not its job: asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from triptych.jobs import Job
from triptych.records import Caption, reason_class
from triptych.runs.caption_counts import CaptionCountCache, CaptionCounts
from triptych.runs.journal import write_journal
from triptych.runs.plan import JobPlan, Target

_OF_IMAGE = ("unreadable image", "changed image")
_WHEN_STOPPED = "when stopped"
_OF_ENDPOINT = ("no answer", "too long", "empty", _WHEN_STOPPED)
"""Classes of failures: those that are the image's fault, and those that may succeed with another endpoint, or
with the same one configured otherwise. A refusal is the image's fault if others of its job were captioned. If
it stopped the job, that isn't known yet."""


def is_of_image(failure: str) -> bool:
    """Whether a failure is the image's fault, whatever the endpoint."""
    return reason_class(failure) in _OF_IMAGE


def as_retryable(failure: str) -> str:
    """A failure that stopped a job, marked such that the same command asks for it again."""
    is_marked = is_of_image(failure) or reason_class(failure) in _OF_ENDPOINT
    return failure if is_marked else f"{_WHEN_STOPPED}: {failure}"


def retryable_count(counts: CaptionCounts) -> int:
    """How many failures the same command asks for again."""
    return sum(count for kind, count in counts.failed_by.items() if kind in _OF_ENDPOINT)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Targets that are asked about together, with the same number of images each."""

    job: Job
    shard: str
    targets: tuple[Target, ...]
    missing: frozenset[str]
    """Ids of the targets without a row in the journal. Only these are written."""


class Backlog:
    """The missing captions of a job. Reads the journals of shards that aren't known to be done."""

    def __init__(self, plan: JobPlan, *, is_new: bool = False, retry_failed: bool = False) -> None:
        """``is_new``: a new generation is about to begin. ``retry_failed``: all failures count as missing.

        Retryable failures always do, and, while nothing is captioned yet, all that aren't an image's fault.
        """
        self.plan = plan
        self._retry_failed = retry_failed
        self._noted = CaptionCountCache(plan.folder, plan.job)
        self._open_shards: dict[str, CaptionCounts] = {}
        """From a shard's first group to its last row."""
        known = {} if is_new else self._noted.read()
        shards = {shard: known.get(shard) or self._count(shard, is_new) for shard in plan.folder.shards()}
        self._noted.add((name, n) for name, n in shards.items() if name not in known and _is_done(n))
        self._unfinished = {name: n for name, n in shards.items() if n.missing or n.failed_by}
        counted = CaptionCounts.added_up(shards.values())
        self._is_begun = counted.captioned > 0
        kept = {kind: n for kind, n in counted.failed_by.items() if not self._is_retried(kind)}
        self.counts = msgspec.structs.replace(counted, failed_by=kept)
        """Without rows beyond the plan, and without failures that are asked for again."""
        self.retried = counted.failed - self.counts.failed
        """How many failures are asked for again. Call ``forget_failures`` before ``groups``."""

    def _count(self, shard: str, is_new: bool) -> CaptionCounts:
        if is_new or not self.plan.folder.captions_file(self.plan.job.name, shard).exists():
            return CaptionCounts(planned=self.plan.count(shard))
        return CaptionCounts.of(self.plan.read(shard))

    def _is_retried(self, kind: str) -> bool:
        return self._retry_failed or kind in _OF_ENDPOINT or not (self._is_begun or kind in _OF_IMAGE)

    def forget_failures(self) -> set[str]:
        """Remove the failures that are asked for again from the journals. Returns their ids.

        The stage has to be marked unfinished before, so that a crash is noticed.
        """
        run, job = self.plan.folder, self.plan.job.name
        forgotten: set[str] = set()
        for shard, counts in self._unfinished.items():
            if any(map(self._is_retried, counts.failed_by)):
                rows = list(run.captions(job, shard))
                kept = [r for r in rows if r.failure is None or not self._is_retried(reason_class(r.failure))]
                forgotten |= {row.id for row in rows} - {row.id for row in kept}
                write_journal(run.captions_file(job, shard), kept)
        return forgotten

    def groups(self, group_size: int) -> Iterator[Group]:
        """The groups that miss a caption, shard by shard."""
        for shard, counts in self._unfinished.items():
            if not counts.missing and not any(map(self._is_retried, counts.failed_by)):
                continue
            planned = self.plan.read(shard)
            self._open_shards[shard] = CaptionCounts.of(planned)
            undone = {each.target.id for each in planned if each.caption is None}
            for members in cut_into_groups([each.target for each in planned], group_size):
                missing = frozenset(target.id for target in members if target.id in undone)
                if missing:
                    yield Group(job=self.plan.job, shard=shard, targets=members, missing=missing)

    def add(self, shard: str, rows: Sequence[Caption]) -> None:
        """Count ``rows`` of a group, once they are on disk."""
        self.counts = self.counts.with_rows(rows)
        self._open_shards[shard] = self._open_shards[shard].with_rows(rows)
        if _is_done(self._open_shards[shard]):
            self._noted.add([(shard, self._open_shards.pop(shard))])


def _is_done(counts: CaptionCounts) -> bool:
    """Whether something is planned, and all of it has a row."""
    return counts.planned > 0 and not counts.missing


def cut_into_groups(targets: Iterable[Target], group_size: int) -> Iterator[tuple[Target, ...]]:
    """Groups of at most ``group_size`` targets with the same number of images, in plan order otherwise."""
    by_image_count: dict[int, list[Target]] = {}
    for target in targets:
        by_image_count.setdefault(len(target.images), []).append(target)
    for image_count in sorted(by_image_count):
        members = by_image_count[image_count]
        for start in range(0, len(members), group_size):
            yield tuple(members[start : start + group_size])
