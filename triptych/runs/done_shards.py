"""What was counted of a job's shards, so that the start of a run needn't read the journals of those it is
done with.

    RUN/.counts/<job>/<generation>.jsonl     counts a line, of a shard several times the last one

Comes in: counts, once nothing is missing in a shard. Goes out: those that still hold: what they were counted
over is as it was then, which sizes and times of journals tell (see digest_cache), and digests in run.json. A
count that doesn't hold, a damaged line or no file at all means that the journal is read. `triptych verify`
counts all of it again. Not its job: counting (see captioning.backlog).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from triptych.jobs import Job
from triptych.records import Caption, reason_class
from triptych.runs.digest_cache import looks_of
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter, journal_lines
from triptych.runs.plan import Planned


class CaptionCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a job is, or a shard of it. ``planned`` = captioned + failed + missing."""

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
        """With these in the journal as well."""
        failures = [row.failure for row in rows]
        failed_by = Counter(reason_class(each) for each in failures if each is not None)
        more = CaptionCounts(captioned=failures.count(None), failed_by=failed_by)
        return self.added_up([self, more])

    @classmethod
    def of(cls, planned: Sequence[Planned]) -> Self:
        """Of what was planned and read with its captions."""
        rows = (each.caption for each in planned if each.caption is not None)
        return cls(planned=len(planned)).with_rows(rows)

    @classmethod
    def added_up(cls, counts: Iterable[CaptionCounts]) -> Self:
        """Of all together."""
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


class DoneShards:
    """Those of the captions that ``job`` has now."""

    def __init__(self, folder: RunFolder, job: Job) -> None:
        generation = folder.run_file.generations.get(job.name, "none")
        state = folder.run_file.stages.get("captions")
        self.path = folder.path / ".counts" / job.name / f"{generation}.jsonl"
        self._folder, self._job = folder, job
        self._over = msgspec.json.encode(
            (generation, job.limit, state.inputs if state is not None else {}), order="deterministic"
        )

    def read(self) -> dict[str, CaptionCounts]:
        """Those that hold, by shard; none of captions that are built on others and change with these."""
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
        """Note what was counted of shards. Their journals must be on disk."""
        lines = [
            _Line(shard=shard, counts=each, counted_over=self._counted_over(shard)) for shard, each in counts
        ]
        if lines:
            with JournalWriter(self.path) as journal:
                journal.commit(lines)

    def _counted_over(self, shard: str) -> str:
        try:
            looks = looks_of(self._folder.captions_file(self._job.name, shard))
        except OSError:  # it isn't there
            return ""
        return hashlib.sha256(self._over + msgspec.json.encode(looks)).hexdigest()[:16]
