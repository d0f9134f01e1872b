"""A unit that two workers process at the same time: its rows count once."""

from functools import partial
from pathlib import Path

from tests.support.contexts import JOBS
from tests.support.small_run import SmallRun
from triptych.captioning.backlog import Group
from triptych.captioning.cluster import _RowCollector
from triptych.captioning.metrics import JobMetrics
from triptych.captioning.worker import GroupsUnit, Rows, new_worker_journal
from triptych.executors import Finished, Progressed
from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.generations import begin_generation
from triptych.runs.journal import JournalWriter
from triptych.runs.plan import JobPlan

SHARD = "sa_000000"
JOB = JOBS["single_en"]


def test_rows_of_a_second_worker_are_not_written_again(small_run: SmallRun) -> None:
    """They are in the run's journal once, and are counted once."""
    run = small_run.run
    run.run_file.generations["single_en"] = begin_generation(run, "single_en", {}, {}, fresh=False).name
    targets = tuple(each.target for each in JobPlan(run, JOB).read(SHARD))
    group = Group(job=JOB, shard=SHARD, targets=targets, missing=frozenset(t.id for t in targets))
    rows = [_row(target.id, target.content) for target in targets]
    journals = [_worker_journal(run, rows[:3]), _worker_journal(run, rows)]
    journal_of = partial(run.captions_file, "single_en")
    collector = _RowCollector(run, journal_of, Caption, lambda unit, failure: [])
    open_units = {0: GroupsUnit(Path("job"), (group,))}

    events = [Progressed(0, Rows(path, JobMetrics())) for path in journals] + [Finished(0, journals[1])]
    taken = [rows for event in events for _, rows, _ in collector.collect(event, open_units)]

    assert [3, len(rows) - 3, 0] == [len(each) for each in taken]
    assert [row.id for row in rows] == [row.id for row in run.captions("single_en", SHARD)]


def _row(identifier: str, content: str) -> Caption:
    return Caption(
        id=identifier, job="single_en", text="A kite.", finish_reason="stop", prompt_tokens=9,
        completion_tokens=3, content=content,
    )  # fmt: skip


def _worker_journal(run: RunFolder, rows: list[Caption]) -> Path:
    """The journal of a worker with these rows."""
    path = new_worker_journal(run, run.captions_file("single_en", SHARD))
    with JournalWriter(path) as journal:
        journal.commit(rows)
    return path
