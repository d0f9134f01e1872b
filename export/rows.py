"""The rows of a job, shard by shard, made by several processes where there are many.

Comes in: a run, a job, a row format. Goes out: JSON lines in the order of the plan, with what became of every
caption that was planned. Order and bytes don't depend on the number of processes; each has a shard in memory
at a time, and the shards that are done before their turn wait. Not its job: writing them (see containers),
and whether the counts add up (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.executors import Each, in_order
from triptych.executors.processes import core_count
from triptych.export.conversation_text import without_reserved_words
from triptych.export.formats import FORMATS
from triptych.export.formats.preference import Preference
from triptych.export.rejected import rejected_for
from triptych.export.row_marks import Columns, RowMarks, marked, marked_type
from triptych.jobs import Job
from triptych.languages import without_invisible
from triptych.prompts import Naming
from triptych.records import ImageRecord
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.ledger.captions import ShardCounts, count_shard
from triptych.runs.plan import JobPlan

MIN_BYTES_FOR_PROCESSES = 64 * 1024 * 1024
"""Of captions, about 100,000. Below, one process is done in about the time that others take to start."""

MAX_PROCESSES = 4
"""The one process that hashes and writes needs about 1.2 µs a row, those that make rows 5: more would
wait."""


class RowsJob(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows to make."""

    job: Job
    prompt: str
    row_format: str
    with_images: bool = False
    """Whether what a row is of is wanted, too."""
    naming: Naming | None = None
    """How captions of sets name their images."""
    columns: Columns = ()
    """What its rows say besides what is documented (see row_marks)."""

    @property
    def row_type(self) -> type[msgspec.Struct]:
        """What its rows are."""
        return marked_type(FORMATS[self.row_format].row_type(several_images=self.job.is_multi), self.columns)


class ShardRows(NamedTuple):
    """The kept captions of one shard."""

    lines: bytes
    """Rows as JSON lines."""
    counts: ShardCounts
    rewritten: list[int]
    """Which of its rows, from 0, have a text that spelled a reserved word."""
    shard: str
    shown: list[tuple[str, tuple[ImageRecord, ...]]]
    """Of each row its caption and its images, where they are wanted."""


def rows_by_shard(context: RunContext, wanted: RowsJob) -> Iterator[ShardRows]:
    """The kept captions of a job, for each shard that plans any, in order."""
    plan = context.plan(wanted.job)
    shards = context.folder.shards()
    processes = min(core_count(), MAX_PROCESSES) if _is_large(context, wanted.job) else 1
    if processes == 1:
        made = map(_maker(plan, wanted), shards)
        yield from filter(_has_any, made)
        return
    set_up = Each(_MakeRows(context.folder.path, wanted, plan.last_hash))
    names = [f"rows {number}" for number in range(processes)]
    with context.open_executor(names, set_up, purpose="makes rows") as executor:
        yield from filter(_has_any, in_order(executor, shards))


def _is_large(context: RunContext, job: Job) -> bool:
    """Sets are few, and each process would read the images of the whole run for them."""
    if job.is_multi:
        return False
    journals = context.folder.captions_folder(job.name).rglob("*.jsonl")
    return sum(path.stat().st_size for path in journals) >= MIN_BYTES_FOR_PROCESSES


def _has_any(rows: ShardRows) -> bool:
    return rows.counts.captions.planned > 0


class _MakeRows:
    """Set up in each process: opens the run and gives the function from a shard to its rows."""

    def __init__(self, path: Path, wanted: RowsJob, last_hash: int | None) -> None:
        self._path, self._wanted, self._last_hash = path, wanted, last_hash

    def __call__(self, name: str) -> Callable[[str], ShardRows]:
        plan = JobPlan(RunFolder.open(self._path), self._wanted.job, self._last_hash)
        return _maker(plan, self._wanted)


def _maker(plan: JobPlan, wanted: RowsJob) -> Callable[[str], ShardRows]:
    row_format = FORMATS[wanted.row_format]
    prompt = without_reserved_words(wanted.prompt)
    encoder = msgspec.json.Encoder()
    marks = RowMarks.of(plan.folder, wanted.columns)

    def make(name: str) -> ShardRows:
        shard = plan.read_shard(name)
        rows: list[msgspec.Struct] = []
        rewritten: list[int] = []
        shown: list[tuple[str, tuple[ImageRecord, ...]]] = []
        kept = [(each, each.text) for each in shard.planned if each.is_kept]
        for at, (each, kept_text) in enumerate(kept):
            target, written = each.target, without_invisible(kept_text)
            text = without_reserved_words(written)
            if text != written:
                rewritten.append(len(rows))
            if wanted.with_images:
                shown.append((text, target.images))
            if isinstance(row_format, Preference):
                worse = rejected_for(at, kept, wanted.naming)
                worse = worse._replace(text=without_reserved_words(without_invisible(worse.text)))
                row = row_format.pair(target.id, prompt, target.images, text, worse)
            else:
                row = row_format.row(target.id, prompt, target.images, text)
            if wanted.columns and each.verdict is not None:
                row = marked(row, wanted.columns, marks.on(each.verdict, each.caption))
            rows.append(row)
        counts = count_shard(shard, all_judged=True)
        return ShardRows(encoder.encode_lines(rows), counts, rewritten, name, shown)

    return make
