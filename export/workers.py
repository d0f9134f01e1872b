"""The rows of a job, shard by shard in order, made by as many processes as there are cores.

Comes in: a run folder, a job. Goes out: lines, in an order and with bytes that don't depend on the number
of processes. Memory: one shard a process, and as many finished ones. Not its job: writing them.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import msgspec

from corpus.plan import ImagePlan, last_planned, planned_targets
from corpus.records import JobName, is_multi
from corpus.runfolder import RunFolder
from export.config import FormatName
from export.formats import FORMATS
from export.kept import Lines, shard_lines

MIN_ROWS_FOR_WORKERS = 100_000
"""Below, one process makes the rows in about the time that others take to start (0.3 s)."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows to make."""

    name: JobName
    prompt: str
    limit: int | None
    row_format: FormatName
    expected: int
    """Kept captions by the ledger."""


def rows_of(run: RunFolder, job: Job) -> Iterator[Lines]:
    """The kept captions of ``job`` in plan order, one shard after the other."""
    processes = len(os.sched_getaffinity(0))
    if is_multi(job.name) or processes == 1 or job.expected < MIN_ROWS_FOR_WORKERS:
        row_format = FORMATS[job.row_format]
        for shard, targets in planned_targets(run, job.name, job.limit):
            yield shard_lines(run, row_format, job.name, job.prompt, shard, targets)
    else:
        yield from _rows_by_workers(run, job, processes)


def _rows_by_workers(run: RunFolder, job: Job, processes: int) -> Iterator[Lines]:
    last_hash = last_planned(run, job.name, job.limit)
    # Not fork: the progress display has threads.
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[Lines]] = deque()
    with ProcessPoolExecutor(processes, context, _begin, (run.path, job, last_hash)) as pool:
        try:
            for shard in run.shards():
                pending.append(pool.submit(_make_shard, shard))
                if len(pending) > processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """What a worker process holds on to between shards."""

    def __init__(self, run: RunFolder, job: Job, plan: ImagePlan) -> None:
        self._run, self._job, self._plan = run, job, plan

    def make(self, shard: str) -> Lines:
        job = self._job
        targets = self._plan.targets(shard)
        return shard_lines(self._run, FORMATS[job.row_format], job.name, job.prompt, shard, targets)


_worker: _Worker


def _begin(path: Path, job: Job, last_hash: int | None) -> None:
    global _worker
    run = RunFolder.open(path)
    _worker = _Worker(run, job, ImagePlan(run, job.name, last_hash))


def _make_shard(shard: str) -> Lines:
    return _worker.make(shard)
