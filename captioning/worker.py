"""Captioning and checking on a node of a cluster: an engine of its own, and units of groups.

Comes in: a set-up, units that the driver cut (see cluster). Goes out: rows in journals of this worker's own,
and word of how many. Two units are in hand at a time, so that the engine has work while one of them ends. Not
its job: what is missing, the run's own journals.
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

from triptych.captioning.backlog import Group
from triptych.captioning.canary.captions import captions_of
from triptych.captioning.canary.pictures import side_px
from triptych.captioning.canary.statements import statements_on
from triptych.captioning.canary.watched_engine import watched
from triptych.captioning.checking.questions import Question, checks_in, requests_of_checks
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.engine_choice import open_engine
from triptych.captioning.image_captions import ImageCaptions
from triptych.captioning.image_texts import ImageTexts
from triptych.captioning.job_requests import requests_of
from triptych.captioning.journals import RowsOf
from triptych.captioning.metrics import JobMetrics, engine_beat
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import FinishedGroup, Scheduler
from triptych.captioning.useless_answers import Streak, stop_where_useless
from triptych.errors import SetupError
from triptych.executors import Desk, Work, side_by_side
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
"""How often the driver takes rows over. They are on disk before."""


class Identity(NamedTuple):
    """What an engine is, as the driver has to know it."""

    identity: Mapping[str, str]
    described: str
    group_size: int
    concurrency: int
    slots: int


class JobAtWork(msgspec.Struct, frozen=True, kw_only=True):
    """What all units of a job have in common; in a file."""

    job: Job
    identity: Mapping[str, str]
    """Of the engine that is asked."""
    has_captions: bool = False
    failed_before: frozenset[str] = frozenset()
    checker: str = ""
    """Where statements of its captions are checked: whose checks they are."""


class GroupsUnit(NamedTuple):
    """Groups of one shard to caption, or whose questions are to be answered."""

    job_file: Path
    groups: tuple[Group, ...]
    questions: tuple[Question, ...] = ()

    @property
    def shard(self) -> str:
        return self.groups[0].shard

    @property
    def name(self) -> str:
        """For a person."""
        return self.shard


class RequestsUnit(NamedTuple):
    """Requests to answer, as a trial."""

    requests: tuple[CaptionRequest, ...]


class Rows(NamedTuple):
    """More rows are on disk in a journal of a worker's."""

    journal: Path
    metrics: JobMetrics
    items: int = 0
    """How many more."""


class CaptionOn(msgspec.Struct, frozen=True, kw_only=True):
    """Sets up a worker: opens its engine. ``jobs`` are all of the run's."""

    run_path: Path
    config: CaptioningConfig
    jobs: tuple[Job, ...]
    prompts: Mapping[str, Prompt]
    added_languages: Mapping[str, Language]
    text_field: str
    image_cache_bytes: int
    """Of each node's own disk; 0: none."""
    sources: tuple[Shard, ...]
    asked_jobs: tuple[Job, ...]
    requests: int
    """That are to be made, by all workers."""
    checks: bool
    """Of statements."""
    began_at: float
    """A canary that another worker has asked since then counts. Seconds since 1970."""

    def __call__(self, name: str) -> Work:
        logs = RunFolder.open(self.run_path).logs_folder / f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}"
        engine = open_engine(self.config, logs, _say)
        asks = (
            statements_on(self.config) if self.checks else captions_of(self.asked_jobs, side_px(self.config))
        )
        engine = watched(engine, self.config, asks, self.requests, self.run_path, _say, since=self.began_at)
        return side_by_side(UNITS_AT_ONCE, _Captioner(self, engine).work)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


class _Captioner:
    """One engine and what it is asked with. Thread-safe."""

    def __init__(self, set_up: CaptionOn, engine: Engine) -> None:
        self._set_up, self._engine = set_up, engine
        self._slots = threading.BoundedSemaphore(engine.concurrency)
        self._opening = threading.Lock()
        self._job: tuple[Path, _OpenJob] | None = None
        """The one at work: the next one begins when it is done."""
        self._told_slot_s = 0.0
        watch_engine(lambda: engine_beat(engine))

    def work(self, desk: Desk) -> None:
        for number, unit in desk.units():
            desk.finish(number, self._done(desk, number, unit))

    def _done(self, desk: Desk, number: int, unit: object) -> Any:
        match unit:
            case GroupsUnit():
                return self._answer(desk, number, unit)
            case RequestsUnit(requests):
                with self._slots:
                    answers: list[Completion] = self._engine.caption(requests)
                    return answers
        engine = self._engine
        return Identity(
            engine.identity, engine.describe(), engine.group_size, engine.concurrency, engine.slots
        )

    def _answer(self, desk: Desk, number: int, unit: GroupsUnit) -> Path:
        """All rows that came of ``unit`` are in its journal."""
        opened = self._open(unit.job_file)
        work = self._checks if opened.at_work.checker else self._captions
        journal, batches, rows_of = work(opened, unit)
        path = journal_of_worker(opened.context.folder, journal)
        metrics, items, reported_at = JobMetrics(), 0, 0.0
        with JournalWriter(path) as writer:
            for batch in batches:
                rows = [row for finished in batch for row in rows_of(finished)]
                writer.commit(rows)
                items += len(rows)
                for finished in batch:
                    metrics.count(finished.answers, finished.took_s)
                if time.monotonic() - reported_at >= REPORT_EVERY_S:
                    metrics.slot_s = self._new_slot_s()
                    desk.progress(number, Rows(path, metrics, items))
                    metrics, items, reported_at = JobMetrics(), 0, time.monotonic()
        metrics.slot_s = self._new_slot_s()
        desk.progress(number, Rows(path, metrics, items))
        return path

    def _captions(self, opened: _OpenJob, unit: GroupsUnit) -> _Asked:
        at_work, context, builder, streak = opened
        job, stopping = at_work.job, threading.Event()
        requests = requests_of(context, self._set_up.config, builder, job)
        journal = context.folder.captions_file(job.name, unit.shard)
        groups = _still_missing(unit.groups, settled(read_journal(journal, Caption)), _content_of_target)
        batches = stop_where_useless(
            Scheduler(groups, requests, self._engine, stopping, self._slots).finished(),
            job.name,
            stopping,
            requests.check if requests.ask_again else None,
            at_a_time=self._engine.concurrency,
            streak=streak,
            is_part=True,
            failed_before=at_work.failed_before,
        )
        return _Asked(journal, batches, lambda finished: finished.rows)

    def _checks(self, opened: _OpenJob, unit: GroupsUnit) -> _Asked:
        at_work, context, builder, streak = opened
        job, questions, stopping = at_work.job, {q.check.id: q for q in unit.questions}, threading.Event()
        requests = requests_of_checks(builder, self._set_up.config, job, context, questions)
        journal = checks_file(context.folder, job.name, at_work.checker, unit.shard)
        rows = list(read_journal(journal, StatementCheck))
        groups = _still_missing(unit.groups, settled(rows), lambda target: questions[target.id].check.content)
        batches = stop_where_useless(
            Scheduler(groups, requests, self._engine, stopping, self._slots).finished(),
            job.name,
            stopping,
            at_a_time=self._engine.concurrency,
            streak=streak,
            is_part=True,
            failed_before={row.id for row in rows if row.failure is not None},
            stage="checks",
        )
        return _Asked(journal, batches, lambda finished: checks_in(finished, questions, job))

    def _new_slot_s(self) -> float:
        """How much of the engine's taken slots nobody has been told of."""
        with self._opening:
            told, self._told_slot_s = self._told_slot_s, self._engine.slot_s()
            return self._told_slot_s - told

    def _open(self, job_file: Path) -> _OpenJob:
        with self._opening:
            if self._job is None or self._job[0] != job_file:
                self._job = job_file, self._opened(job_file)
            return self._job[1]

    def _opened(self, job_file: Path) -> _OpenJob:
        """The run as it is now: jobs that this one builds on are done."""
        set_up = self._set_up
        at_work: JobAtWork = pickle.loads(job_file.read_bytes())
        if dict(at_work.identity) != dict(self._engine.identity):
            raise SetupError(
                f"the engine here runs {dict(self._engine.identity)}, expected {dict(at_work.identity)} as on"
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
        return _OpenJob(at_work, context, builder, Streak(has_captions=at_work.has_captions))


class _OpenJob(NamedTuple):
    """What all units of a job have in common, read."""

    at_work: JobAtWork
    context: RunContext
    builder: RequestBuilder
    streak: Streak


class _Asked(NamedTuple):
    """What a unit brings."""

    journal: Path
    """The run's own that its rows will come to."""
    batches: Iterator[list[FinishedGroup]]
    rows_of: RowsOf


def _content_of_target(target: Target) -> str:
    return target.content


def _still_missing(
    groups: tuple[Group, ...], there: Set[tuple[str, str]], content_of: Callable[[Target], str]
) -> Iterator[Group]:
    """Without what a worker that died had made before it."""
    for group in groups:
        made = {each.id for each in group.targets if (each.id, content_of(each)) in there}
        if missing := group.missing - made:
            yield msgspec.structs.replace(group, missing=missing)


def settled(rows: Iterable[Caption | StatementCheck]) -> set[tuple[str, str]]:
    """By id and content, what isn't asked for again: a caption that failed is taken out of its journal before
    it is, a check stays there."""
    return {(row.id, row.content) for row in rows if isinstance(row, Caption) or row.failure is None}


def journal_of_worker(run: RunFolder, journal: Path) -> Path:
    """A new one, for rows that are to come into the run's own ``journal``. No two have the same name."""
    own = run.worker_journals / journal.relative_to(run.path)
    return own.with_name(f"{own.name.removesuffix('.jsonl')}.{uuid.uuid4().hex}.jsonl")


def left_behind(run: RunFolder, journal: Path) -> list[Path]:
    """Those of all workers whose rows are to come into ``journal``."""
    own = run.worker_journals / journal.relative_to(run.path)
    return sorted(own.parent.glob(f"{glob.escape(own.name.removesuffix('.jsonl'))}.*.jsonl"))
