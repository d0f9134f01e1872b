"""The rows of a job, shard by shard in order, made by several processes.

Comes in: a run folder, a job. Goes out: lines, in an order and with bytes that don't depend on the number
of processes. Each worker makes every so-manieth shard and hands it over a piece at a time; where nobody takes
them it waits, so two shards a process are in memory. Not its job: writing them.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from triptych.executors.processes import ended_early, without_interrupts
from triptych.export.kept import Job, ShardDone, image_rows, set_rows
from triptych.export.pieces import Memory, Sender, received, shared_memory
from triptych.export.rows_file import Rows
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan

MIN_BYTES_FOR_WORKERS = 64 * 1024 * 1024
"""Of captions, about 100,000. Below, one process is done in about the time that others take to start."""

MOST_WORKERS = 4
"""The one process that hashes and writes needs 1.0 µs a row, a worker 2: more of them would wait."""


def rows_of(run: RunFolder, job: Job) -> Iterator[Rows | ShardDone]:
    """The kept captions of ``job`` in plan order: for each shard its lines, then what they came to."""
    if job.job.is_multi:
        for shard, targets in JobPlan(run, job.job).shards():
            yield from set_rows(run, job, shard, targets)
        return
    processes = min(len(os.sched_getaffinity(0)), MOST_WORKERS) if _is_large(run, job) else 1
    last_hash = JobPlan(run, job.job).last_hash
    if processes == 1:
        plan = JobPlan(run, job.job, last_hash)
        for shard in run.shards():
            yield from _shard_rows(run, job, plan, shard)
    else:
        yield from _rows_by_workers(run, job, last_hash, processes)


def _is_large(run: RunFolder, job: Job) -> bool:
    journals = (run.path / "captions" / job.name).rglob("*.jsonl")
    return sum(path.stat().st_size for path in journals) >= MIN_BYTES_FOR_WORKERS


def _shard_rows(run: RunFolder, job: Job, plan: JobPlan, shard: str) -> Iterator[bytes | ShardDone]:
    images = [target.images[0] for target in plan.targets(shard)]
    if images:
        yield from image_rows(run, job, shard, images)


def _rows_by_workers(
    run: RunFolder, job: Job, last_hash: int | None, processes: int
) -> Iterator[Rows | ShardDone]:
    shards = run.shards()
    # Not fork: the progress display has threads.
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        workers: list[tuple[BaseProcess, Iterator[object]]] = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            stack.enter_context(closing(ours))
            memory = shared_memory(context)
            arguments = (run.path, job, last_hash, shards[number::processes], theirs, memory)
            worker = context.Process(target=_work, args=arguments, daemon=True)
            with without_interrupts():
                worker.start()
            theirs.close()
            stack.callback(_end, worker)
            workers.append((worker, received(ours, memory)))
        for index in range(len(shards)):
            yield from _shard_received(*workers[index % processes])


def _shard_received(worker: BaseProcess, messages: Iterator[object]) -> Iterator[Rows | ShardDone]:
    """Raises what the worker raised."""
    try:
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            if isinstance(message, Rows):
                yield message
                continue
            if isinstance(message, ShardDone):
                yield message
            return
    except EOFError:
        raise ended_early(worker, "made rows", ", so nothing was exported; run it again") from None


def _end(worker: BaseProcess) -> None:
    """It has ended by itself, unless the rows are not wanted any more."""
    worker.terminate()
    worker.join()


def _work(
    path: Path, job: Job, last_hash: int | None, shards: list[str], pipe: Connection, memory: Memory
) -> None:
    """In the worker: make ``shards`` and send them."""
    sender = Sender(pipe, memory)
    try:
        run = RunFolder.open(path)
        plan = JobPlan(run, job.job, last_hash)
        for shard in shards:
            done: ShardDone | None = None
            for part in _shard_rows(run, job, plan, shard):
                if isinstance(part, ShardDone):
                    done = part
                else:
                    sender.send_rows(part)
            sender.send(done)
    except (EOFError, ConnectionError):
        pass  # The rows are not wanted any more.
    except Exception as error:
        sender.send(error)
