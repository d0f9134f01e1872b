"""What is left to caption, in groups that don't depend on what is already done.

Comes in: the plan of a job, its journals, a group size. Goes out: counts, and the groups that miss a
caption. A group is cut from the plan alone, so that a batch holds the same requests whenever it is
asked: on resume a group with one caption missing is asked again as a whole, and rounds as it would
have. Not its job: asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from triptych.jobs import Job
from triptych.records import Caption, reason_class
from triptych.runs.done_shards import CaptionCounts, DoneShards
from triptych.runs.journal import write_journal
from triptych.runs.plan import JobPlan, Target

_OF_IMAGE = ("unreadable image", "changed image")
_WHEN_STOPPED = "when stopped"
_OF_ENDPOINT = ("no answer", "too long", "empty", _WHEN_STOPPED)
"""Classes of failures: those that an image is to blame for, and those that another endpoint, or the same one
started otherwise, may well caption. A refusal is an image's where others of its job were captioned; nobody
knows yet whose it is where the job was stopped for it."""


def is_of_image(failure: str) -> bool:
    """Whether the image itself is to blame, whoever is asked."""
    return reason_class(failure) in _OF_IMAGE


def to_ask_again(failure: str) -> str:
    """``failure`` with which a job was stopped: the same command asks again."""
    is_asked_again = is_of_image(failure) or reason_class(failure) in _OF_ENDPOINT
    return failure if is_asked_again else f"{_WHEN_STOPPED}: {failure}"


def may_pass(counts: CaptionCounts) -> int:
    """How many failures the next run of the same command asks for again."""
    return sum(count for kind, count in counts.failed_by.items() if kind in _OF_ENDPOINT)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that are asked together. All targets have equally many images."""

    job: Job
    shard: str
    targets: tuple[Target, ...]
    missing: frozenset[str]
    """Ids of those targets that have no row in the journal: only these are written."""


class Backlog:
    """What a job misses. Read at first are the journals of shards that aren't known to be done."""

    def __init__(self, plan: JobPlan, *, anew: bool = False, retry_failed: bool = False) -> None:
        """``anew``: a generation is about to begin. ``retry_failed``: a failure counts as missing. So does,
        in any case, one that may pass, and where nothing is captioned yet each that is no image's fault."""
        self.plan = plan
        self._retry_failed = retry_failed
        self._noted = DoneShards(plan.folder, plan.job)
        self._at_work: dict[str, CaptionCounts] = {}
        """By shard, from its first group to its last row."""
        known = {} if anew else self._noted.read()
        shards = {shard: known.get(shard) or self._count(shard, anew) for shard in plan.folder.shards()}
        self._noted.add((name, n) for name, n in shards.items() if name not in known and _is_done(n))
        self._unfinished = {name: n for name, n in shards.items() if n.missing or n.failed_by}
        counted = CaptionCounts.added_up(shards.values())
        self._is_begun = counted.captioned > 0
        kept = {kind: n for kind, n in counted.failed_by.items() if not self._is_retried(kind)}
        self.counts = msgspec.structs.replace(counted, failed_by=kept)
        """Rows beyond the plan are not counted, nor failures that are asked for again."""
        self.retried = counted.failed - self.counts.failed
        """Failures that are to be asked for again: forget them before ``groups``."""

    def _count(self, shard: str, anew: bool) -> CaptionCounts:
        if anew or not self.plan.folder.captions_file(self.plan.job.name, shard).exists():
            return CaptionCounts(planned=self.plan.count(shard))
        return CaptionCounts.of(self.plan.read(shard))

    def _is_retried(self, kind: str) -> bool:
        return self._retry_failed or kind in _OF_ENDPOINT or not (self._is_begun or kind in _OF_IMAGE)

    def forget_failures(self) -> set[str]:
        """Take what is asked for again out of the journals; returns its ids. Each journal is replaced whole.

        The stage has to be marked unfinished before, so that a crash is seen.
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
        """Those that miss a caption, shard by shard."""
        for shard, counts in self._unfinished.items():
            if not counts.missing and not any(map(self._is_retried, counts.failed_by)):
                continue
            planned = self.plan.read(shard)
            self._at_work[shard] = CaptionCounts.of(planned)
            undone = {each.target.id for each in planned if each.caption is None}
            for members in cut_into_groups([each.target for each in planned], group_size):
                missing = frozenset(target.id for target in members if target.id in undone)
                if missing:
                    yield Group(job=self.plan.job, shard=shard, targets=members, missing=missing)

    def add(self, shard: str, rows: Sequence[Caption]) -> None:
        """Count ``rows`` of a group, which are on disk."""
        self.counts = self.counts.with_rows(rows)
        self._at_work[shard] = self._at_work[shard].with_rows(rows)
        if _is_done(self._at_work[shard]):
            self._noted.add([(shard, self._at_work.pop(shard))])


def _is_done(counts: CaptionCounts) -> bool:
    """Whether there is a journal, with a row for all that is planned."""
    return counts.planned > 0 and not counts.missing


def cut_into_groups(targets: Iterable[Target], group_size: int) -> Iterator[tuple[Target, ...]]:
    """At most ``group_size`` targets with equally many images each; otherwise in plan order."""
    by_image_count: dict[int, list[Target]] = {}
    for target in targets:
        by_image_count.setdefault(len(target.images), []).append(target)
    for image_count in sorted(by_image_count):
        alike = by_image_count[image_count]
        for start in range(0, len(alike), group_size):
            yield tuple(alike[start : start + group_size])
