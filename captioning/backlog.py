"""What is left to caption, in groups that don't depend on what is already done.

Comes in: the plan of a job, its journals, a group size. Goes out: counts, and the groups that miss a
caption. A group is cut from the plan alone, so that a batch holds the same requests whenever it is
asked: on resume a group with one caption missing is asked again as a whole, and rounds as it would
have. Not its job: asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from triptych.jobs import Job
from triptych.runs.folder import RunFolder
from triptych.runs.journal import write_journal
from triptych.runs.plan import JobPlan, Planned, Target


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that are asked together. All targets have equally many images."""

    job: Job
    shard: str
    targets: tuple[Target, ...]
    missing: frozenset[str]
    """Ids of those targets that have no row in the journal: only these are written."""


class CaptionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is. ``planned`` = captioned + failed + missing."""

    planned: int = 0
    captioned: int = 0
    failed: int = 0

    @property
    def missing(self) -> int:
        """Targets without a row in the journal."""
        return self.planned - self.captioned - self.failed


class Backlog:
    """What a job misses. Shards that miss nothing are read once, when they are counted."""

    def __init__(self, plan: JobPlan, *, anew: bool = False, retry_failed: bool = False) -> None:
        """``anew``: a generation is about to begin. ``retry_failed``: a failure counts as missing."""
        self.plan = plan
        planned = captioned = failed = retried = 0
        self._unfinished: list[str] = []
        for shard, targets in _without_captions(plan) if anew else plan.read_all():
            is_failure = [each.caption.failure is not None for each in targets if each.caption is not None]
            planned += len(targets)
            failures = sum(is_failure)
            captioned += len(is_failure) - failures
            retried += failures if retry_failed else 0
            failed += 0 if retry_failed else failures
            if len(is_failure) < len(targets) or (retry_failed and failures):
                self._unfinished.append(shard)
        self.counts = CaptionCounts(planned=planned, captioned=captioned, failed=failed)
        """Rows beyond the plan are not counted."""
        self.retried = retried
        """Failures that are to be asked for again: forget them before ``groups``."""

    def groups(self, group_size: int) -> Iterator[Group]:
        """Those that miss a caption, shard by shard."""
        for shard in self._unfinished:
            planned = self.plan.read(shard)
            undone = {each.target.id for each in planned if each.caption is None}
            for members in cut_into_groups([each.target for each in planned], group_size):
                missing = frozenset(target.id for target in members if target.id in undone)
                if missing:
                    yield Group(job=self.plan.job, shard=shard, targets=members, missing=missing)


def cut_into_groups(targets: Iterable[Target], group_size: int) -> Iterator[tuple[Target, ...]]:
    """At most ``group_size`` targets with equally many images each; otherwise in plan order."""
    by_image_count: dict[int, list[Target]] = {}
    for target in targets:
        by_image_count.setdefault(len(target.images), []).append(target)
    for image_count in sorted(by_image_count):
        alike = by_image_count[image_count]
        for start in range(0, len(alike), group_size):
            yield tuple(alike[start : start + group_size])


def _without_captions(plan: JobPlan) -> Iterator[tuple[str, list[Planned]]]:
    for shard, targets in plan.shards():
        yield shard, [Planned(target, None) for target in targets]


def forget_failures(run: RunFolder, job: str) -> None:
    """Take the recorded failures of a job out of its journals. Each journal is replaced whole.

    The stage has to be marked unfinished before, so that a crash is seen.
    """
    for shard in run.shards():
        rows = list(run.captions(job, shard))
        kept = [row for row in rows if row.failure is None]
        if len(kept) < len(rows):
            write_journal(run.captions_file(job, shard), kept)
