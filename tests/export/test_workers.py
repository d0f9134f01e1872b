"""Rows made by many processes."""

import multiprocessing
import os
from contextlib import closing

import pytest

from tests.export.conftest import PROMPTS
from tests.support.contexts import limited
from triptych.errors import SetupError
from triptych.export.build import write_rows
from triptych.export.config import FILE_TYPES, FileType
from triptych.export.kept import Job
from triptych.export.pieces import received, shared_memory
from triptych.export.workers import _shard_received
from triptych.progress import Silent
from triptych.runs.folder import RunFolder


@pytest.mark.parametrize(("limit", "file_type"), [(5, "jsonl"), *((None, kind) for kind in FILE_TYPES)])
def test_many_processes_write_the_bytes_of_one(
    judged_run, monkeypatch: pytest.MonkeyPatch, limit: int | None, file_type: FileType
) -> None:
    """Also of a job that covers a sample only, and in every kind of file."""
    run: RunFolder = judged_run()
    job = job_with(limit)

    one = write_rows(run, job, file_type, run.path / "one", Silent())
    with_workers(monkeypatch)
    many = write_rows(run, job, file_type, run.path / "many", Silent())

    assert (run.path / "one").read_bytes() == (run.path / "many").read_bytes() != b""
    assert len(_ids(run, limit)) == one.entry.rows
    assert one == many


def test_what_a_worker_finds_wrong_is_said_as_if_it_were_alone(
    judged_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file and the line."""
    run: RunFolder = judged_run()
    with_workers(monkeypatch)
    journal = next((run.path / "captions" / "single_en").rglob("*.jsonl"))
    journal.write_bytes(b'{"id": 5}\n' + journal.read_bytes())

    with pytest.raises(SetupError, match=rf"{journal.name}, line 1: expected"):
        write_rows(run, job_with(None), "jsonl", run.path / "rows", Silent())


def test_a_worker_that_dies_is_an_error_and_not_an_endless_wait() -> None:
    """As where the machine runs out of memory and kills it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=os._exit, args=(9,))
    worker.start()
    theirs.close()
    messages = received(ours, shared_memory(context))

    with closing(ours), pytest.raises(SetupError, match=r"ended early \(exit code 9;"):
        list(_shard_received(worker, messages))


def with_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.export.workers.MIN_BYTES_FOR_WORKERS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def job_with(limit: int | None) -> Job:
    return Job(job=limited("single_en", limit), prompt=PROMPTS["single_en"].text, row_format="internvl")


def _ids(run: RunFolder, limit: int | None) -> list[str]:
    from triptych.runs.plan import JobPlan

    kept = {v.id for shard in run.shards() for v in run.verdicts("single_en", shard) if v.keep}
    planned = [t.id for _, targets in JobPlan(run, limited("single_en", limit)).shards() for t in targets]
    return [identifier for identifier in planned if identifier in kept]
