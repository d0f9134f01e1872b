"""Captions and checks on a cluster, from the driver's side: hands out units and collects rows.

Comes in: groups that miss a caption or an answer, workers with an engine each (see worker). Goes out: rows,
once they are in the run's own journals, which only this process writes: each row once, however many workers
made it. Rows that a worker wrote before it or the driver died count too. Not its job: finding what is missing
(see backlog).
"""

from __future__ import annotations

import contextlib
import pickle
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from triptych.captioning.backlog import Group
from triptych.captioning.checking.questions import Question
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines.server_spec import SPEC as SERVER
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.metrics import JobMetrics
from triptych.captioning.worker import (
    EngineInfo,
    GroupsUnit,
    RequestsUnit,
    Rows,
    WorkerJob,
    WorkerSetUp,
    settled_keys,
    worker_journals,
)
from triptych.errors import SetupError
from triptych.executors import Cluster, Executor, Finished, GivenUp, Lost, Progressed, in_order
from triptych.jobs import Job
from triptych.records import Caption, StatementCheck
from triptych.runs.checks import FOLDER as CHECKS_FOLDER
from triptych.runs.checks import checks_file
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter, read_journal, read_journal_from
from triptych.sources.shard import Shard

UNIT_CAPTIONS = 512
"""The most captions in a unit: minutes of a GPU, so that the last units of a job end at about the same
time."""

Row = Caption | StatementCheck
_ROW_TYPES: Mapping[str, type[Row]] = {"captions": Caption, CHECKS_FOLDER: StatementCheck}
"""By the folder of their journals in the run."""

R = TypeVar("R", bound=Row)


class CollectedRows(NamedTuple, Generic[R]):
    """New rows of a shard, which are in the run's journal now."""

    shard: str
    rows: list[R]
    metrics: JobMetrics


class ClusterEngine:
    """The engines of all workers as one Engine. Its ``caption`` is answered by any one of them."""

    def __init__(self, executor: Executor, folder: RunFolder) -> None:
        self._executor, self._folder = executor, folder
        self._slot_s = 0.0
        self._info: EngineInfo = next(in_order(executor, [None]))

    @property
    def group_size(self) -> int:
        return self._info.group_size

    @property
    def concurrency(self) -> int:
        return self._info.concurrency * self._executor.workers

    @property
    def slots(self) -> int:
        return self._info.slots * self._executor.workers

    def slot_s(self) -> float:
        """As of the workers' last reports."""
        return self._slot_s

    @property
    def identity(self) -> Mapping[str, str]:
        return self._info.identity

    def describe(self) -> str:
        return f"{self._info.described}, one of {self._executor.workers} workers of the cluster"

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        answers: list[Completion] = next(in_order(self._executor, [RequestsUnit(tuple(requests))]))
        return answers

    def close(self) -> None:
        """Nothing to do: the workers end with their executor."""

    def captions(
        self,
        job: Job,
        groups: Iterator[Group],
        stopping: threading.Event,
        *,
        has_captions: bool,
        failed_before: frozenset[str],
    ) -> Iterator[CollectedRows[Caption]]:
        """Caption ``groups``. When ``stopping`` is set, what is in flight is abandoned."""
        spec = WorkerJob(
            job=job, identity=self.identity, has_captions=has_captions, failed_before=failed_before
        )
        journal_of = partial(self._folder.captions_file, job.name)
        collector = _RowCollector(self._folder, journal_of, Caption, partial(_failed_captions, job.name))
        return self._rows(spec, groups, stopping, collector, {})

    def checks(
        self,
        job: Job,
        checker: str,
        groups: Iterator[Group],
        stopping: threading.Event,
        questions: dict[str, Question],
    ) -> Iterator[CollectedRows[StatementCheck]]:
        """Check statements. ``groups`` adds a group's questions to ``questions``, by id, before it yields the
        group; they are removed once they are handed out."""
        spec = WorkerJob(job=job, identity=self.identity, has_captions=True, checker=checker)
        journal_of = partial(checks_file, self._folder, job.name, checker)
        collector = _RowCollector(self._folder, journal_of, StatementCheck, _failed_checks)
        return self._rows(spec, groups, stopping, collector, questions)

    def _rows(
        self,
        spec: WorkerJob,
        groups: Iterator[Group],
        stopping: threading.Event,
        collector: _RowCollector[R],
        questions: dict[str, Question],
    ) -> Iterator[CollectedRows[R]]:
        job_file = self._folder.cluster_folder.absolute() / f"{uuid.uuid4().hex}.job"
        job_file.write_bytes(pickle.dumps(spec))
        open_units: dict[int, GroupsUnit] = {}

        def units() -> Iterator[GroupsUnit]:
            for number, some in enumerate(_cut(groups)):
                ids = [target.id for group in some for target in group.targets]
                asked = tuple(questions.pop(each) for each in ids if each in questions)
                open_units[number] = GroupsUnit(job_file, some, asked)
                yield open_units[number]

        for event in self._executor.run(units()):
            for collected in collector.collect(event, open_units):
                self._slot_s += collected.metrics.slot_s
                yield collected
            if stopping.is_set():
                return


class _RowCollector(Generic[R]):
    """Copies rows from workers' journals to the run's."""

    def __init__(
        self,
        run: RunFolder,
        journal_of: Callable[[str], Path],
        row_type: type[R],
        failed: Callable[[GroupsUnit, str], list[R]],
    ) -> None:
        """``journal_of`` a shard is where its rows go. ``failed`` makes the rows of a unit that was given up,
        from the unit and the failure."""
        self._run, self._journal_of = run, journal_of
        self._row_type, self._failed = row_type, failed
        self._read_bytes: dict[Path, int] = {}
        """How much of each worker's journal has been read."""
        self._settled: dict[str, set[tuple[str, str]]] = {}
        """For shards with open units: the keys of rows in the run's journal."""

    def collect(self, event: Any, open_units: dict[int, GroupsUnit]) -> Iterator[CollectedRows[R]]:
        """The rows that an executor's event brings. Removes finished units from ``open_units``."""
        match event:
            case Progressed(number, Rows(path, metrics)):
                yield CollectedRows(shard := open_units[number].shard, self._copy(shard, path), metrics)
            case Finished(number, path):
                shard = open_units.pop(number).shard
                yield CollectedRows(shard, self._copy(shard, path), JobMetrics())
                path.unlink(missing_ok=True)
                self._read_bytes.pop(path, None)
                self._forget(shard, open_units)
            case Lost():
                for shard in {open_units[number].shard for number in event.numbers if number in open_units}:
                    for path in worker_journals(self._run, self._journal_of(shard)):
                        yield CollectedRows(shard, self._copy(shard, path), JobMetrics())
            case GivenUp(number, lost):
                unit = open_units.pop(number)
                failure = f"no answer: three workers that asked for it ended; the last one {lost.why}"
                failed = self._commit(unit.shard, self._failed(unit, failure))
                yield CollectedRows(unit.shard, failed, JobMetrics())
                self._forget(unit.shard, open_units)

    def _forget(self, shard: str, open_units: Mapping[int, GroupsUnit]) -> None:
        """Free the keys of a shard without open units."""
        if all(unit.shard != shard for unit in open_units.values()):
            self._settled.pop(shard, None)

    def _copy(self, shard: str, path: Path) -> list[R]:
        """Commit the rows that were appended to a worker's journal. Returns those that are new."""
        rows, self._read_bytes[path] = read_journal_from(path, self._row_type, self._read_bytes.get(path, 0))
        return self._commit(shard, rows)

    def _commit(self, shard: str, rows: Sequence[R]) -> list[R]:
        journal = self._journal_of(shard)
        if shard not in self._settled:
            written: Iterable[R] = read_journal(journal, self._row_type)
            self._settled[shard] = settled_keys(written)
        new = _commit_new(journal, rows, self._settled[shard])
        self._settled[shard].update(settled_keys(new))
        return new


def _commit_new(journal: Path, rows: Iterable[R], settled: Set[tuple[str, str]]) -> list[R]:
    """Append the rows whose keys aren't ``settled``; of several with one key, the last."""
    unique = {(row.id, row.content): row for row in rows}
    new = [row for key, row in unique.items() if key not in settled]
    if new:
        with JournalWriter(journal) as writer:
            writer.commit(new)
    return new


def _failed_captions(job: str, unit: GroupsUnit, failure: str) -> list[Caption]:
    return [
        Caption(id=target.id, job=job, attempts=0, failure=failure, content=target.content)
        for group in unit.groups
        for target in group.targets
        if target.id in group.missing
    ]


def _failed_checks(unit: GroupsUnit, failure: str) -> list[StatementCheck]:
    missing = {each for group in unit.groups for each in group.missing}
    return [
        msgspec.structs.replace(each.check, attempts=0, failure=failure)
        for each in unit.questions
        if each.check.id in missing
    ]


@contextlib.contextmanager
def open_cluster_engine(
    context: RunContext,
    cluster: Cluster,
    config: CaptioningConfig,
    jobs: Sequence[Job],
    sources: Sequence[Shard],
    requests: int,
    *,
    checks: bool = False,
) -> Iterator[ClusterEngine]:
    """Start workers with an engine each. ``jobs`` are all jobs of the run, those of ``context`` are
    captioned, or checked if ``checks``, in about ``requests`` requests."""
    gpus, across_nodes = 0.0, False
    workers = None
    if config.engine == SERVER.name:  # the endpoints are shared
        workers, in_flight = _shares(config.max_in_flight, cluster.room)
        config = msgspec.structs.replace(config, max_in_flight=in_flight)
    if config.engine == "lmdeploy":
        gpus, across_nodes = config.lmdeploy.tp, _spans_nodes(config.lmdeploy, cluster)
    elif config.engine == "transformers" and cluster.has_gpus:
        gpus = cluster.config.gpus_per_worker
    set_up = WorkerSetUp(
        run_path=context.folder.path.absolute(),
        config=config,
        jobs=tuple(jobs),
        prompts=dict(context.prompts),
        added_languages=dict(context.added_languages),
        text_field=context.text_field,
        image_cache_bytes=0 if context.image_cache is None else context.image_cache.max_bytes,
        sources=tuple(sources),
        asked_jobs=tuple(context.jobs),
        requests=requests,
        checks=checks,
        began_at=time.time(),
    )
    try:
        with context.open_executor(
            ["checker" if checks else "captioner"],
            set_up,
            purpose="checks captions" if checks else "captions",
            ahead=0,
            gpus=gpus,
            across_nodes=across_nodes,
            most=workers,
        ) as executor:
            yield ClusterEngine(executor, context.folder)
    finally:
        recover_worker_rows(context.folder)


def _shares(max_in_flight: int, room: int) -> tuple[int, int]:
    """How many workers share an endpoint, and how many requests each may have in flight there.

    As many workers as there is room for, unless rounding down would lose more than a tenth of the requests.
    """
    counts = range(max(1, min(room, max_in_flight)), 0, -1)
    workers = next(n for n in counts if max_in_flight // n * n >= 0.9 * max_in_flight)
    return workers, max_in_flight // workers


def _spans_nodes(config: LmdeployConfig, cluster: Cluster) -> bool:
    """Whether a server gets its GPUs through Ray, as lmdeploy's PyTorch engine does for more than one GPU."""
    if config.backend == "pytorch":
        return config.tp > 1
    if 0 < cluster.most_gpus < config.tp:
        raise SetupError(
            f"--tp {config.tp} needs {config.tp} GPUs for one server, and no node has more than"
            f" {cluster.most_gpus:g}; set captioning.lmdeploy.backend=pytorch, whose servers may span nodes"
        )
    return False


def recover_worker_rows(run: RunFolder) -> int:
    """Copy rows of workers whose driver ended to the run's journals. Returns the number of new rows."""
    count = 0
    for path in sorted(run.worker_journals.rglob("*.jsonl")):
        name = path.relative_to(run.worker_journals)
        journal = run.path / f"{name.as_posix().rsplit('.', 2)[0]}.jsonl"
        row_type = _ROW_TYPES[name.parts[0]]
        settled = settled_keys(read_journal(journal, row_type))
        count += len(_commit_new(journal, read_journal(path, row_type), settled))
        path.unlink()
    shutil.rmtree(run.worker_journals, ignore_errors=True)
    return count


def _cut(groups: Iterator[Group]) -> Iterator[tuple[Group, ...]]:
    """Units of one shard each, with at most UNIT_CAPTIONS missing captions unless a single group has more."""
    for _, of_shard in groupby(groups, key=lambda group: group.shard):
        some: list[Group] = []
        for group in of_shard:
            if some and sum(len(each.missing) for each in [*some, group]) > UNIT_CAPTIONS:
                yield tuple(some)
                some = []
            some.append(group)
        yield tuple(some)
