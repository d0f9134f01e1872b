"""Captions and checks on a cluster, as the driver sees it: units for workers, rows from their journals.

Comes in: groups that miss a caption or an answer, workers with an engine each (see worker). Goes out: rows,
once they are in the run's own journals, which this process alone writes: each once, whoever made it and
however often. What a worker had written before it died, or before the driver did, counts. Not its job: what
is missing (see backlog).
"""

from __future__ import annotations

import contextlib
import pickle
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    CaptionOn,
    GroupsUnit,
    Identity,
    JobAtWork,
    RequestsUnit,
    Rows,
    left_behind,
    settled,
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
"""Asked in a unit, at most: minutes of a GPU, so that the last units of a job end at about the same time."""

Row = Caption | StatementCheck
_ROW_TYPES: Mapping[str, type[Row]] = {"captions": Caption, CHECKS_FOLDER: StatementCheck}
"""By the folder of the run that their journals lie in."""

R = TypeVar("R", Caption, StatementCheck)


class Taken(NamedTuple, Generic[R]):
    """Rows of a shard that are in the run's journal now."""

    shard: str
    rows: list[R]
    metrics: JobMetrics


class ClusterEngine:
    """The engines of all workers, as one Engine. What it is asked itself, one worker answers."""

    def __init__(self, executor: Executor, folder: RunFolder) -> None:
        self._executor, self._folder = executor, folder
        self._slot_s = 0.0
        self._identity: Identity = next(in_order(executor, [None]))

    @property
    def group_size(self) -> int:
        return self._identity.group_size

    @property
    def concurrency(self) -> int:
        return self._identity.concurrency * self._executor.workers

    @property
    def slots(self) -> int:
        return self._identity.slots * self._executor.workers

    def slot_s(self) -> float:
        """As far as workers have told."""
        return self._slot_s

    @property
    def identity(self) -> Mapping[str, str]:
        return self._identity.identity

    def describe(self) -> str:
        return f"{self._identity.described} and so on {self._executor.workers} workers of the cluster"

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        answers: list[Completion] = next(in_order(self._executor, [RequestsUnit(tuple(requests))]))
        return answers

    def close(self) -> None:
        """The workers end with their executor."""

    def captions(
        self,
        job: Job,
        groups: Iterator[Group],
        stopping: threading.Event,
        *,
        has_captions: bool,
        failed_before: frozenset[str],
    ) -> Iterator[Taken[Caption]]:
        """Have ``groups`` captioned. Where ``stopping`` is set, what is in flight is left."""
        at_work = JobAtWork(
            job=job, identity=self.identity, has_captions=has_captions, failed_before=failed_before
        )
        journal_of = partial(self._folder.captions_file, job.name)
        taking = _Taking(self._folder, journal_of, Caption, partial(_failed_caption, job.name))
        return self._rows(at_work, groups, stopping, taking, {})

    def checks(
        self,
        job: Job,
        checker: str,
        groups: Iterator[Group],
        stopping: threading.Event,
        questions: dict[str, Question],
    ) -> Iterator[Taken[StatementCheck]]:
        """Have statements checked. ``questions`` has those of a group, by id, once that is given; they are
        taken out."""
        at_work = JobAtWork(job=job, identity=self.identity, has_captions=True, checker=checker)
        journal_of = partial(checks_file, self._folder, job.name, checker)
        taking = _Taking(self._folder, journal_of, StatementCheck, _failed_check)
        return self._rows(at_work, groups, stopping, taking, questions)

    def _rows(
        self,
        at_work: JobAtWork,
        groups: Iterator[Group],
        stopping: threading.Event,
        taking: _Taking[R],
        questions: dict[str, Question],
    ) -> Iterator[Taken[R]]:
        job_file = self._folder.cluster_folder.absolute() / f"{uuid.uuid4().hex}.job"
        job_file.write_bytes(pickle.dumps(at_work))
        open_units: dict[int, GroupsUnit] = {}

        def units() -> Iterator[GroupsUnit]:
            for number, some in enumerate(_cut(groups)):
                ids = [target.id for group in some for target in group.targets]
                asked = tuple(questions.pop(each) for each in ids if each in questions)
                open_units[number] = GroupsUnit(job_file, some, asked)
                yield open_units[number]

        for event in self._executor.run(units()):
            for taken in taking.of(event, open_units):
                self._slot_s += taken.metrics.slot_s
                yield taken
            if stopping.is_set():
                return


class _Taking(Generic[R]):
    """Takes rows out of the workers' journals."""

    def __init__(
        self,
        run: RunFolder,
        journal_of: Callable[[str], Path],
        row_type: type[R],
        failed: Callable[[GroupsUnit, str], list[R]],
    ) -> None:
        """``journal_of`` a shard is where its rows go; ``failed`` makes those of a unit that ended its
        workers, and says why."""
        self._run, self._journal_of = run, journal_of
        self._row_type: type[R] = row_type
        self._failed: Callable[[GroupsUnit, str], list[R]] = failed
        self._read_bytes: dict[Path, int] = {}
        """How far each journal was taken."""
        self._there: dict[str, set[tuple[str, str]]] = {}
        """Of each shard that is at work, by id and content."""

    def of(self, event: Any, open_units: dict[int, GroupsUnit]) -> Iterator[Taken[R]]:
        """What an event brings."""
        match event:
            case Progressed(number, Rows(path, metrics)):
                yield Taken(shard := open_units[number].shard, self._take(shard, path), metrics)
            case Finished(number, path):
                shard = open_units.pop(number).shard
                yield Taken(shard, self._take(shard, path), JobMetrics())
                path.unlink(missing_ok=True)
                self._read_bytes.pop(path, None)
                self._forget(shard, open_units)
            case Lost():
                for shard in {open_units[number].shard for number in event.numbers if number in open_units}:
                    for path in left_behind(self._run, self._journal_of(shard)):
                        yield Taken(shard, self._take(shard, path), JobMetrics())
            case GivenUp(number, lost):
                unit = open_units.pop(number)
                failure = f"no answer: three workers that asked for it ended; the last one {lost.why}"
                failed = self._failed(unit, failure)
                yield Taken(unit.shard, self._commit(unit.shard, failed), JobMetrics())
                self._forget(unit.shard, open_units)

    def _forget(self, shard: str, open_units: Mapping[int, GroupsUnit]) -> None:
        """What is there of a shard, where no unit of it is at work."""
        if all(unit.shard != shard for unit in open_units.values()):
            self._there.pop(shard, None)

    def _take(self, shard: str, path: Path) -> list[R]:
        """The rows that are new in a worker's journal; those on the run's own are on disk on return."""
        rows, self._read_bytes[path] = read_journal_from(path, self._row_type, self._read_bytes.get(path, 0))
        return self._commit(shard, rows)

    def _commit(self, shard: str, rows: Sequence[R]) -> list[R]:
        there = self._there.get(shard)
        if there is None:
            there = self._there[shard] = settled(read_journal(self._journal_of(shard), self._row_type))
        new = {(row.id, row.content): row for row in rows if (row.id, row.content) not in there}
        if new:
            with JournalWriter(self._journal_of(shard)) as journal:
                journal.commit(new.values())
            there.update(settled(new.values()))  # not |=, which makes a new set of keys
        return list(new.values())


def _failed_caption(job: str, unit: GroupsUnit, failure: str) -> list[Caption]:
    return [
        Caption(id=target.id, job=job, attempts=0, failure=failure, content=target.content)
        for group in unit.groups
        for target in group.targets
        if target.id in group.missing
    ]


def _failed_check(unit: GroupsUnit, failure: str) -> list[StatementCheck]:
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
    """Workers that have opened an engine each. ``jobs`` are all of the run's, of ``context`` those for which
    so many ``requests`` are to be made. ``checks``: of statements of their captions."""
    gpus, across_nodes = 0.0, False
    workers = None
    if config.engine == SERVER.name:  # the endpoints are shared
        workers, in_flight = _shares(config.max_in_flight, cluster.room)
        config = msgspec.structs.replace(config, max_in_flight=in_flight)
    if config.engine == "lmdeploy":
        gpus, across_nodes = config.lmdeploy.tp, _spans_nodes(config.lmdeploy, cluster)
    elif config.engine == "transformers" and cluster.has_gpus:
        gpus = cluster.config.gpus_per_worker
    set_up = CaptionOn(
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
        take_back(context.folder)


def _shares(max_in_flight: int, room: int) -> tuple[int, int]:
    """How many workers share an endpoint, and how many requests each has there: never more in all, and as
    many workers as there is room for, unless more than a tenth of the requests would be lost to rounding."""
    counts = range(max(1, min(room, max_in_flight)), 0, -1)
    workers = next(n for n in counts if max_in_flight // n * n >= 0.9 * max_in_flight)
    return workers, max_in_flight // workers


def _spans_nodes(config: LmdeployConfig, cluster: Cluster) -> bool:
    """Whether a server takes its GPUs through Ray. lmdeploy's PyTorch engine does for more than one."""
    if config.backend == "pytorch":
        return config.tp > 1
    if 0 < cluster.most_gpus < config.tp:
        raise SetupError(
            f"--tp {config.tp} needs {config.tp} GPUs for one server, and no node has more than"
            f" {cluster.most_gpus:g}; set captioning.lmdeploy.backend=pytorch, whose servers may span nodes"
        )
    return False


def take_back(run: RunFolder) -> int:
    """Put into the run's journals what workers had written when a driver ended. Returns how many rows."""
    count = 0
    for path in sorted(run.worker_journals.rglob("*.jsonl")):
        name = path.relative_to(run.worker_journals)
        journal = run.path / f"{name.as_posix().rsplit('.', 2)[0]}.jsonl"
        row_type = _ROW_TYPES[name.parts[0]]
        there = settled(read_journal(journal, row_type))
        new = {(row.id, row.content): row for row in read_journal(path, row_type)}
        rows = [row for key, row in new.items() if key not in there]
        if rows:
            with JournalWriter(journal) as writer:
                writer.commit(rows)
            count += len(rows)
        path.unlink()
    shutil.rmtree(run.worker_journals, ignore_errors=True)
    return count


def _cut(groups: Iterator[Group]) -> Iterator[tuple[Group, ...]]:
    """Units: at most UNIT_CAPTIONS of one shard."""
    for _, of_shard in groupby(groups, key=lambda group: group.shard):
        some: list[Group] = []
        for group in of_shard:
            if some and sum(len(each.missing) for each in [*some, group]) > UNIT_CAPTIONS:
                yield tuple(some)
                some = []
            some.append(group)
        yield tuple(some)
