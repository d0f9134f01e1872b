"""Captioning and checking in a worker of a cluster, with an engine of its own.

Comes in: a set-up, and units of groups from the driver (see cluster). Goes out: rows in this worker's own
journals, and messages on how many there are. Works on two units at a time, so that the engine stays busy
while one of them ends. Not its job: finding what is missing, the run's own journals.
"""

from __future__ import annotations

import glob
import pickle
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Group
from triptych.captioning.canary.captions import caption_canary
from triptych.captioning.canary.question import side_px
from triptych.captioning.canary.statements import statement_canary
from triptych.captioning.canary.watched_engine import watched
from triptych.captioning.checking.questions import Question, checks_in, requests_of_checks
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.engine_choice import open_engine
from triptych.captioning.image_fields import ImageCaptions, ImageTexts
from triptych.captioning.journals import RowsOf
from triptych.captioning.metrics import JobMetrics, engine_status
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import JobRequests, Scheduler
from triptych.captioning.useless_answers import Streak, stop_where_useless
from triptych.errors import SetupError
from triptych.executors import Channel, Work, in_threads
from triptych.jobs import Job
from triptych.languages import Language
from triptych.prompts import Prompt
from triptych.records import Caption, StatementCheck
from triptych.runs.checks import checks_file
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.heartbeats import watch_engine
from triptych.runs.image_reader import reader_of
from triptych.runs.journal import JournalWriter, read_journal
from triptych.runs.plan import Target
from triptych.sources.image_cache import opened_cache
from triptych.sources.shard import Shard

UNITS_AT_ONCE = 2

REPORT_EVERY_S = 2.0
"""How often the driver is told of new rows, which are on disk by then."""


class EngineInfo(NamedTuple):
    """What the driver needs to know of an engine."""

    identity: Mapping[str, str]
    described: str
    group_size: int
    concurrency: int
    slots: int


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """What all units of a job have in common. The driver pickles it into a file."""

    job: Job
    identity: Mapping[str, str]
    """What every worker's engine has to run."""
    has_captions: bool = False
    failed_before: frozenset[str] = frozenset()
    checker: str = ""
    """The name of the checker. Empty: make captions instead of checks."""


class GroupsUnit(NamedTuple):
    """Groups of one shard to caption, or, with ``questions``, to check."""

    job_file: Path
    groups: tuple[Group, ...]
    questions: tuple[Question, ...] = ()

    @property
    def shard(self) -> str:
        return self.groups[0].shard

    @property
    def name(self) -> str:
        """Shown to the user."""
        return self.shard


class RequestsUnit(NamedTuple):
    """Requests whose answers are returned, not written."""

    requests: tuple[CaptionRequest, ...]


class Rows(NamedTuple):
    """Progress: more rows are on disk in a worker's journal."""

    journal: Path
    metrics: JobMetrics
    items: int = 0
    """The number of new rows."""


class WorkerSetUp(msgspec.Struct, frozen=True, kw_only=True):
    """Sets up a worker: opens its engine."""

    run_path: Path
    config: CaptioningConfig
    jobs: tuple[Job, ...]
    """All jobs of the run."""
    prompts: Mapping[str, Prompt]
    added_languages: Mapping[str, Language]
    text_field: str
    image_cache_bytes: int
    """On each node's own disk; 0: no cache."""
    sources: tuple[Shard, ...]
    asked_jobs: tuple[Job, ...]
    """The jobs to caption or check now."""
    requests: int
    """The number of requests of all workers together."""
    checks: bool
    """Whether statements are checked, instead of captions made."""
    began_at: float
    """Seconds since 1970. Canaries that other workers have asked since then count for this one too."""

    def __call__(self, name: str) -> Work:
        logs = RunFolder.open(self.run_path).logs_folder / f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}"
        engine = open_engine(self.config, logs, _say)
        if self.checks:
            canary = statement_canary(self.config)
        else:
            canary = caption_canary(self.asked_jobs, side_px(self.config))
        engine = watched(engine, self.config, canary, self.requests, self.run_path, _say, since=self.began_at)
        return in_threads(UNITS_AT_ONCE, _Captioner(self, engine).work)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


class _Captioner:
    """One engine, which answers the units that several threads work on. Thread-safe."""

    def __init__(self, set_up: WorkerSetUp, engine: Engine) -> None:
        self._set_up, self._engine = set_up, engine
        self._slots = threading.BoundedSemaphore(engine.concurrency)
        self._lock = threading.Lock()
        self._job: tuple[Path, _OpenJob] | None = None
        """The current job. Jobs run one after another."""
        self._reported_slot_s = 0.0
        watch_engine(lambda: engine_status(engine))

    def work(self, channel: Channel) -> None:
        for number, unit in channel.units():
            channel.finish(number, self._result(channel, number, unit))

    def _result(self, channel: Channel, number: int, unit: object) -> Any:
        match unit:
            case GroupsUnit():
                return self._answer(channel, number, unit)
            case RequestsUnit(requests):
                with self._slots:
                    answers: list[Completion] = self._engine.caption(requests)
                    return answers
        engine = self._engine
        return EngineInfo(
            engine.identity, engine.describe(), engine.group_size, engine.concurrency, engine.slots
        )

    def _answer(self, channel: Channel, number: int, unit: GroupsUnit) -> Path:
        """Answer a unit, and return the journal with all of its rows."""
        opened = self._open(unit.job_file)
        job = opened.spec.job
        work = self._checks(opened, unit) if opened.spec.checker else self._captions(opened, unit)
        path = new_worker_journal(opened.context.folder, work.journal)
        stopping = threading.Event()
        batches = stop_where_useless(
            Scheduler(work.groups, work.requests, self._engine, stopping, self._slots).finished(),
            job.name,
            stopping,
            work.check,
            at_a_time=self._engine.concurrency,
            streak=opened.streak,
            is_part=True,
            failed_before=work.failed_before,
            stage="checks" if opened.spec.checker else "captions",
        )
        metrics, items, reported_at = JobMetrics(), 0, 0.0
        with JournalWriter(path) as writer:
            for batch in batches:
                rows = [row for finished in batch for row in work.rows_of(finished)]
                writer.commit(rows)
                items += len(rows)
                for finished in batch:
                    metrics.count(finished.answers, finished.took_s)
                if time.monotonic() - reported_at >= REPORT_EVERY_S:
                    metrics.slot_s = self._new_slot_s()
                    channel.progress(number, Rows(path, metrics, items))
                    metrics, items, reported_at = JobMetrics(), 0, time.monotonic()
        metrics.slot_s = self._new_slot_s()
        channel.progress(number, Rows(path, metrics, items))
        return path

    def _captions(self, opened: _OpenJob, unit: GroupsUnit) -> _UnitWork:
        spec, context = opened.spec, opened.context
        job = spec.job
        requests = opened.builder.requests_of(job, context.prompts[job.name], context.language(job))
        journal = context.folder.captions_file(job.name, unit.shard)
        done = settled_keys(read_journal(journal, Caption))
        return _UnitWork(
            journal,
            _still_missing(unit.groups, done, lambda target: target.content),
            requests,
            lambda finished: finished.rows,
            spec.failed_before,
            requests.check if requests.ask_again else None,
        )

    def _checks(self, opened: _OpenJob, unit: GroupsUnit) -> _UnitWork:
        spec, context = opened.spec, opened.context
        questions = {question.check.id: question for question in unit.questions}
        journal = checks_file(context.folder, spec.job.name, spec.checker, unit.shard)
        rows = list(read_journal(journal, StatementCheck))
        done = settled_keys(rows)
        return _UnitWork(
            journal,
            _still_missing(unit.groups, done, lambda target: questions[target.id].check.content),
            requests_of_checks(opened.builder, self._set_up.config, spec.job, context, questions),
            lambda finished: checks_in(finished, questions, spec.job),
            {row.id for row in rows if row.failure is not None},
        )

    def _new_slot_s(self) -> float:
        """The engine's slot seconds since the last report."""
        with self._lock:
            before, self._reported_slot_s = self._reported_slot_s, self._engine.slot_s()
            return self._reported_slot_s - before

    def _open(self, job_file: Path) -> _OpenJob:
        with self._lock:
            if self._job is None or self._job[0] != job_file:
                self._job = job_file, self._read(job_file)
            return self._job[1]

    def _read(self, job_file: Path) -> _OpenJob:
        """The job, with the run as it is now: jobs that it builds on are done."""
        set_up = self._set_up
        spec: WorkerJob = pickle.loads(job_file.read_bytes())
        if dict(spec.identity) != dict(self._engine.identity):
            raise SetupError(
                f"the engine here runs {dict(self._engine.identity)}, expected {dict(spec.identity)} as on"
                " the other nodes; install the same model and versions on all"
            )
        context = RunContext(
            folder=RunFolder.open(set_up.run_path),
            jobs=set_up.jobs,
            prompts=set_up.prompts,
            added_languages=set_up.added_languages,
            text_field=set_up.text_field,
            image_cache=opened_cache(set_up.image_cache_bytes),
        )
        read, texts = reader_of(context, set_up.sources), ImageTexts(context, set_up.sources)
        builder = RequestBuilder(read, set_up.config, ImageCaptions(context, set_up.jobs), texts)
        return _OpenJob(spec, context, builder, Streak(has_captions=spec.has_captions))


class _OpenJob(NamedTuple):
    """A job, and what all its units are answered with."""

    spec: WorkerJob
    context: RunContext
    builder: RequestBuilder
    streak: Streak


class _UnitWork(NamedTuple):
    """What a unit asks for."""

    journal: Path
    """The run's journal that the driver will copy the rows to."""
    groups: Iterator[Group]
    requests: JobRequests
    rows_of: RowsOf
    failed_before: Set[str]
    check: AnswerCheck | None = None
    """As for stop_where_useless."""


def _still_missing(
    groups: tuple[Group, ...], done: Set[tuple[str, str]], content_of: Callable[[Target], str]
) -> Iterator[Group]:
    """``groups`` without what an earlier worker had made before it died."""
    for group in groups:
        made = {each.id for each in group.targets if (each.id, content_of(each)) in done}
        if missing := group.missing - made:
            yield msgspec.structs.replace(group, missing=missing)


def settled_keys(rows: Iterable[Caption | StatementCheck]) -> set[tuple[str, str]]:
    """Id and content of the rows that aren't asked for again. Failed checks are; failed captions have been
    removed from their journal if they are to be."""
    return {(row.id, row.content) for row in rows if isinstance(row, Caption) or row.failure is None}


def new_worker_journal(run: RunFolder, journal: Path) -> Path:
    """A unique path for rows that the driver will copy to the run's ``journal``."""
    own = run.worker_journals / journal.relative_to(run.path)
    return own.with_name(f"{own.name.removesuffix('.jsonl')}.{uuid.uuid4().hex}.jsonl")


def worker_journals(run: RunFolder, journal: Path) -> list[Path]:
    """All workers' journals with rows for the run's ``journal``."""
    own = run.worker_journals / journal.relative_to(run.path)
    return sorted(own.parent.glob(f"{glob.escape(own.name.removesuffix('.jsonl'))}.*.jsonl"))
