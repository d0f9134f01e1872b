"""Rows made by several processes."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.export.conftest import FORMAT_OF, PROMPTS, sources_of
from tests.support.contexts import context_of, limited
from triptych.errors import SetupError
from triptych.executors import Channel, SetUp, Work
from triptych.executors.local import LocalExecutor
from triptych.export import rows
from triptych.export.config import ExportConfig
from triptych.export.containers import CONTAINERS
from triptych.export.job_files import JobFiles, write_rows
from triptych.export.manifest import FileEntry
from triptych.jobs import Job
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan


@pytest.mark.parametrize(("limit", "file_type"), [(5, "jsonl"), *((None, kind) for kind in CONTAINERS)])
def test_several_processes_write_the_same_bytes_as_one(
    judged_run, monkeypatch: pytest.MonkeyPatch, limit: int | None, file_type: str
) -> None:
    """In every file type, and for a job with a limit."""
    run: RunFolder = judged_run()
    job = limited("single_en", limit)

    one = write(run, job, run.path / "one", file_type)
    with_processes(monkeypatch)
    many = write(run, job, run.path / "many", file_type)

    assert (run.path / "one").read_bytes() == (run.path / "many").read_bytes() != b""
    assert len(kept_ids(run, job)) == only(one).rows
    assert one == many


def test_an_error_in_a_process_names_the_file_and_line(judged_run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would with one process."""
    run: RunFolder = judged_run()
    with_processes(monkeypatch)
    journal = next((run.path / "captions" / "single_en").rglob("*.jsonl"))
    journal.write_bytes(b'{"id": 5}\n' + journal.read_bytes())

    with pytest.raises(SetupError, match=rf"{journal.name}, line 1: its checksum"):
        write(run, limited("single_en", None), run.path / "rows")


class DiesOnce:
    """A set-up whose first process dies as soon as it has received a shard."""

    def __init__(self, set_up: SetUp, mark: Path) -> None:
        self._set_up, self._mark = set_up, mark

    def __call__(self, name: str) -> Work:
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return self._set_up(name)

        def die(channel: Channel) -> None:
            next(channel.units())
            os._exit(9)

        return die


def test_a_process_that_dies_is_replaced_and_the_bytes_are_the_same(
    judged_run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The system kills a process if the memory is full, for example."""
    run: RunFolder = judged_run()
    job = limited("single_en", None)
    alone = write(run, job, run.path / "one")
    with_processes(monkeypatch)

    def open_executor(names, set_up, **options):
        return LocalExecutor(names, DiesOnce(set_up, tmp_path / "died"), **options)

    context = msgspec.structs.replace(context_of(run, job, prompts=PROMPTS), open_executor=open_executor)
    survived = write_rows(context, ExportConfig(), job, lambda part: run.path / "many")

    assert (tmp_path / "died").exists()
    assert alone == survived


def test_captions_with_reserved_words_are_counted(judged_run) -> None:
    """The manifest has the number of rewritten captions."""
    run: RunFolder = judged_run(text="A sign says <image>, {id}.")

    written = write(run, limited("single_en", None), run.path / "rows")

    assert 9 == only(written).rows == only(written).rewritten
    assert "‹image›" in (run.path / "rows").read_text("utf-8")


def test_sets_are_read_by_one_process(judged_run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further process would read all images of the run."""
    run: RunFolder = judged_run()
    with_processes(monkeypatch)
    monkeypatch.setattr(LocalExecutor, "__enter__", None)

    assert 1 == only(write(run, limited("multi_en", None), run.path / "rows")).rows


def write(run: RunFolder, job: Job, path: Path, file_type: str = "jsonl") -> JobFiles:
    context = context_of(run, job, prompts=PROMPTS)
    config = ExportConfig(format=FORMAT_OF[file_type], file_type=file_type)
    return write_rows(context, config, job, lambda part: path, lambda: sources_of(run))


def only(written: JobFiles) -> FileEntry:
    """The entry of the only file of a job."""
    (entry,) = written.files.values()
    return entry


def with_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MIN_BYTES_FOR_PROCESSES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def kept_ids(run: RunFolder, job: Job) -> list[str]:
    kept = {v.id for shard in run.shards() for v in run.verdicts(job.name, shard) if v.keep}
    planned = [target.id for _, targets in JobPlan(run, job).shards() for target in targets]
    return [identifier for identifier in planned if identifier in kept]
