"""Rows made by many processes."""

import os

import pytest

from corpus.progress import Silent
from corpus.runfolder import RunFolder
from export.build import write_rows
from export.workers import Job
from tests.export.conftest import PROMPTS


@pytest.mark.parametrize("limit", [None, 5])
def test_many_processes_write_the_bytes_of_one(
    judged_run, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    """Also of a job that covers a sample only."""
    run: RunFolder = judged_run()
    kept = len(_ids(run, limit))
    job = Job(
        name="single_en", prompt=PROMPTS["single_en"], limit=limit, row_format="internvl", expected=kept
    )

    one = write_rows(run, job, "jsonl", run.path / "one", Silent())
    monkeypatch.setattr("export.workers.MIN_ROWS_FOR_WORKERS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    many = write_rows(run, job, "jsonl", run.path / "many", Silent())

    assert (run.path / "one").read_bytes() == (run.path / "many").read_bytes() != b""
    assert one == many


def _ids(run: RunFolder, limit: int | None) -> list[str]:
    from corpus.plan import planned_targets

    kept = {v.id for shard in run.shards() for v in run.verdicts("single_en", shard) if v.keep}
    planned = [t.id for _, targets in planned_targets(run, "single_en", limit) for t in targets]
    return [identifier for identifier in planned if identifier in kept]
