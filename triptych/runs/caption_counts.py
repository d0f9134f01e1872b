"""Counts of a job's captions, and a cache of them, so that a run starts without reading finished journals.

    RUN/.counts/<job>/<generation>.jsonl     a shard's counts per line; the last line of a shard is valid

Comes in: the counts of shards in which nothing is missing. Goes out: the counts that are still valid: their
journal (by size and times, see digest_cache) and the inputs in run.json are unchanged. Otherwise, and for a
damaged line or a missing file, the journal is read. `triptych verify` counts everything again. Not its job:
counting (see captioning.backlog).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from triptych.jobs import Job
from triptych.records import Caption, reason_class
from triptych.runs.digest_cache import stat_of
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter, journal_lines
from triptych.runs.plan import Planned


class CaptionCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The progress of a job or of a shard of it. ``planned`` = captioned + failed + missing."""

    planned: int = 0
    captioned: int = 0
    failed_by: dict[str, int] = {}
    """The failures by class."""

    @property
    def failed(self) -> int:
        return sum(self.failed_by.values())

    @property
    def missing(self) -> int:
        """Targets without a row in the journal."""
        return self.planned - self.captioned - self.failed

    def with_rows(self, rows: Iterable[Caption]) -> Self:
        """The counts with ``rows`` added to the journal."""
        failures = [row.failure for row in rows]
        failed_by = Counter(reason_class(each) for each in failures if each is not None)
        more = CaptionCounts(captioned=failures.count(None), failed_by=failed_by)
        return self.added_up([self, more])

    @classmethod
    def of(cls, planned: Sequence[Planned]) -> Self:
        """The counts of targets that were read with their captions."""
        rows = (each.caption for each in planned if each.caption is not None)
        return cls(planned=len(planned)).with_rows(rows)

    @classmethod
    def added_up(cls, counts: Iterable[CaptionCounts]) -> Self:
        """The sum of ``counts``."""
        listed = list(counts)
        return cls(
            planned=sum(each.planned for each in listed),
            captioned=sum(each.captioned for each in listed),
            failed_by=dict(sum((Counter(each.failed_by) for each in listed), Counter[str]())),
        )


class _Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    shard: str
    counts: CaptionCounts
    counted_over: str


class CaptionCountCache:
    """The cached counts of the current captions of ``job``."""

    def __init__(self, folder: RunFolder, job: Job) -> None:
        generation = folder.run_file.generations.get(job.name, "none")
        state = folder.run_file.stages.get("captions")
        self.path = folder.path / ".counts" / job.name / f"{generation}.jsonl"
        self._folder, self._job = folder, job
        self._over = msgspec.json.encode(
            (generation, job.limit, state.inputs if state is not None else {}), order="deterministic"
        )

    def read(self) -> dict[str, CaptionCounts]:
        """The valid counts, by shard. Empty if the job's prompt quotes captions, which may have changed."""
        if not self.path.exists() or self._folder.captions_base(self._job.name) is not None:
            return {}
        lines = (line.record for line in journal_lines(self.path, _Line))
        last = {line.shard: line for line in lines if line is not None}
        return {
            shard: line.counts
            for shard, line in last.items()
            if line.counted_over == self._counted_over(shard) != ""
        }

    def add(self, counts: Iterable[tuple[str, CaptionCounts]]) -> None:
        """Store the counts of shards. Their journals must be on disk."""
        lines = [
            _Line(shard=shard, counts=each, counted_over=self._counted_over(shard)) for shard, each in counts
        ]
        if lines:
            with JournalWriter(self.path) as journal:
                journal.commit(lines)

    def _counted_over(self, shard: str) -> str:
        try:
            stat = stat_of(self._folder.captions_file(self._job.name, shard))
        except OSError:  # there is no journal
            return ""
        return hashlib.sha256(self._over + msgspec.json.encode(stat)).hexdigest()[:16]
