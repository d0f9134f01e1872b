"""What is left to caption, in groups that don't depend on what is already done.

Comes in: the plan of a job, its journals, a group size. Goes out: counts, and the groups that miss a
caption. A group is cut from the plan alone, so that a batch holds the same requests whenever it is
asked: on resume a group with one caption missing is asked again as a whole, and rounds as it would
have. Not its job: asking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from triptych.jobs import Job
from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.journal import write_journal
from triptych.runs.ledger.images import reason_class
from triptych.runs.plan import JobPlan, Planned, Target

_OF_IMAGE = ("unreadable image:", "changed image:")
_OF_ENDPOINT = ("no answer:", "too long:", "empty:")
"""How failures begin: those that an image is to blame for, and those that another endpoint, or the same one
started otherwise, may well caption. A refusal is an image's where others of its job were captioned."""


def is_of_image(failure: str) -> bool:
    """Whether the image itself is to blame, whoever is asked."""
    return failure.startswith(_OF_IMAGE)


def may_pass(failure: str) -> bool:
    """Whether the next run of the same command asks again."""
    return failure.startswith(_OF_ENDPOINT)


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
    may_pass: int = 0
    """Of those that failed: what the next run asks again."""
    failed_by: dict[str, int] = {}
    """The failures by class."""

    @property
    def missing(self) -> int:
        """Targets without a row in the journal."""
        return self.planned - self.captioned - self.failed


class Backlog:
    """What a job misses. Shards that miss nothing are read once, when they are counted."""

    def __init__(self, plan: JobPlan, *, anew: bool = False, retry_failed: bool = False) -> None:
        """``anew``: a generation is about to begin. ``retry_failed``: a failure counts as missing. So does,
        in any case, one that may pass, and where nothing is captioned yet each that is no image's fault."""
        self.plan = plan
        self._retry_failed = retry_failed
        planned = captioned = failed = 0
        kinds: Counter[str] = Counter()
        classes: Counter[tuple[str, str]] = Counter()
        self._unfinished: list[tuple[str, bool, Counter[str]]] = []
        """Shards that may miss something: whether a row is missing, and what failed, by kind."""
        for shard, targets in _without_captions(plan) if anew else plan.read_all():
            rows = [each.caption for each in targets if each.caption is not None]
            failures = Counter(_kind(row.failure) for row in rows if row.failure is not None)
            planned += len(targets)
            captioned += len(rows) - failures.total()
            failed += failures.total()
            kinds += failures
            classes.update((_kind(f), reason_class(f)) for row in rows if (f := row.failure) is not None)
            if len(rows) < len(targets) or failures:
                self._unfinished.append((shard, len(rows) < len(targets), failures))
        self._is_begun = captioned > 0
        self.retried = sum(count for kind, count in kinds.items() if self._is_retried(kind))
        """Failures that are to be asked for again: forget them before ``groups``."""
        failed_by = Counter[str]()
        for (kind, name), count in classes.items():
            failed_by[name] += 0 if self._is_retried(kind) else count
        self.counts = CaptionCounts(
            planned=planned, captioned=captioned, failed=failed - self.retried, failed_by=dict(+failed_by)
        )
        """Rows beyond the plan are not counted."""

    def is_retried(self, row: Caption) -> bool:
        """Whether ``row`` is a failure that is to be asked for again."""
        return row.failure is not None and self._is_retried(_kind(row.failure))

    def _is_retried(self, kind: str) -> bool:
        return self._retry_failed or may_pass(kind) or not (self._is_begun or is_of_image(kind))

    def groups(self, group_size: int) -> Iterator[Group]:
        """Those that miss a caption, shard by shard."""
        for shard, misses_rows, failures in self._unfinished:
            if not misses_rows and not any(map(self._is_retried, failures)):
                continue
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


def _kind(failure: str) -> str:
    return failure[: failure.find(":") + 1]


def forget_failures(run: RunFolder, backlog: Backlog) -> None:
    """Take what is asked for again out of the journals of its job. Each journal is replaced whole.

    The stage has to be marked unfinished before, so that a crash is seen.
    """
    job = backlog.plan.job.name
    for shard in run.shards():
        rows = list(run.captions(job, shard))
        kept = [row for row in rows if not backlog.is_retried(row)]
        if len(kept) < len(rows):
            write_journal(run.captions_file(job, shard), kept)
