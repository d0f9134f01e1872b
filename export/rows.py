"""Makes the rows of a job, shard by shard, in several processes for large jobs.

Comes in: a run, a job, a row format. Goes out: JSON lines in the order of the plan, and counts of what became
of every planned caption. Order and bytes don't depend on the number of processes; each process has one shard
in memory, and finished shards wait for their turn. Not its job: writing rows (see containers), whether the
counts add up (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.executors import PerUnit, in_order
from triptych.executors.processes import core_count
from triptych.export.conversation_text import without_reserved_words
from triptych.export.extra_columns import Columns, ExtraValues, row_with_values, type_with_columns
from triptych.export.formats import FORMATS
from triptych.export.formats.preference import Preference
from triptych.export.rejected import rejected_for
from triptych.jobs import Job
from triptych.languages import without_invisible
from triptych.prompts import Naming
from triptych.records import ImageRecord
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.ledger.captions import ShardCounts, count_shard
from triptych.runs.plan import JobPlan

MIN_BYTES_FOR_PROCESSES = 64 * 1024 * 1024
"""Of captions, about 100,000. With fewer, one process is done about when others would have started."""

MAX_PROCESSES = 4
"""Making a row takes about 5 µs, hashing and writing it 1.2 µs in a single process: more would wait."""


class RowsJob(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to make."""

    job: Job
    prompt: str
    row_format: str
    with_images: bool = False
    """Whether the captions and images of the rows are needed as well."""
    naming: Naming | None = None
    """How captions of sets name their images."""
    columns: Columns = ()

    @property
    def row_type(self) -> type[msgspec.Struct]:
        """The type of its rows."""
        row_type = FORMATS[self.row_format].row_type(several_images=self.job.is_multi)
        return type_with_columns(row_type, self.columns)


class ShardRows(NamedTuple):
    """The kept captions of one shard."""

    lines: bytes
    """Rows as JSON lines."""
    counts: ShardCounts
    rewritten: list[int]
    """Indexes of the rows whose text contained a reserved word."""
    shard: str
    captioned: list[tuple[str, tuple[ImageRecord, ...]]]
    """The caption and images of each row, if they are needed."""


def rows_by_shard(context: RunContext, wanted: RowsJob) -> Iterator[ShardRows]:
    """The kept captions of a job, for each shard with planned captions, in order."""
    plan = context.plan(wanted.job)
    shards = context.folder.shards()
    processes = min(core_count(), MAX_PROCESSES) if _is_large(context, wanted.job) else 1
    if processes == 1:
        made = map(_maker(plan, wanted), shards)
        yield from filter(_has_any, made)
        return
    set_up = PerUnit(_MakeRows(context.folder.path, wanted, plan.last_hash))
    names = [f"rows {number}" for number in range(processes)]
    with context.open_executor(names, set_up, purpose="makes rows") as executor:
        yield from filter(_has_any, in_order(executor, shards))


def _is_large(context: RunContext, job: Job) -> bool:
    """Whether several processes are worth it. Never for sets: they are few, and each process would read the
    images of the whole run."""
    if job.is_multi:
        return False
    journals = context.folder.captions_folder(job.name).rglob("*.jsonl")
    return sum(path.stat().st_size for path in journals) >= MIN_BYTES_FOR_PROCESSES


def _has_any(rows: ShardRows) -> bool:
    return rows.counts.captions.planned > 0


class _MakeRows:
    """Called in each process: opens the run, and returns the function that makes a shard's rows."""

    def __init__(self, path: Path, wanted: RowsJob, last_hash: int | None) -> None:
        self._path, self._wanted, self._last_hash = path, wanted, last_hash

    def __call__(self, name: str) -> Callable[[str], ShardRows]:
        plan = JobPlan(RunFolder.open(self._path), self._wanted.job, self._last_hash)
        return _maker(plan, self._wanted)


def _maker(plan: JobPlan, wanted: RowsJob) -> Callable[[str], ShardRows]:
    row_format = FORMATS[wanted.row_format]
    prompt = without_reserved_words(wanted.prompt)
    encoder = msgspec.json.Encoder()
    values = ExtraValues(plan.folder, wanted.columns)

    def make(name: str) -> ShardRows:
        shard = plan.read_shard(name)
        rows: list[msgspec.Struct] = []
        rewritten: list[int] = []
        captioned: list[tuple[str, tuple[ImageRecord, ...]]] = []
        kept = [(each, each.text) for each in shard.planned if each.is_kept]
        for at, (each, kept_text) in enumerate(kept):
            target, written = each.target, without_invisible(kept_text)
            text = without_reserved_words(written)
            if text != written:
                rewritten.append(len(rows))
            if wanted.with_images:
                captioned.append((text, target.images))
            if isinstance(row_format, Preference):
                worse = rejected_for(at, kept, wanted.naming)
                worse = worse._replace(text=without_reserved_words(without_invisible(worse.text)))
                row = row_format.pair(target.id, prompt, target.images, text, worse)
            else:
                row = row_format.row(target.id, prompt, target.images, text)
            if wanted.columns and each.verdict is not None:
                row = row_with_values(row, wanted.columns, values.of_caption(each.verdict, each.caption))
            rows.append(row)
        counts = count_shard(shard, all_judged=True)
        return ShardRows(encoder.encode_lines(rows), counts, rewritten, name, captioned)

    return make
