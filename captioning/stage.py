"""The captions stage: every planned caption that is missing, job by job.

Comes in: a run folder with images, duplicates and sets, and the sources of its images. Goes out: rows in
the journals of each job's generation, one for each target. Nothing that was made is removed: new captions of
a job begin a generation beside the one before, once the engine is there (see generation_choice). Not its job:
judging captions (see filtering).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType

import msgspec

from triptych.captioning.backlog import Backlog, is_of_image, may_pass
from triptych.captioning.canary.captions import captions_of
from triptych.captioning.canary.pictures import side_px
from triptych.captioning.canary.watched_engine import WatchedEngine, watched
from triptych.captioning.cluster import ClusterEngine, open_cluster_engine, take_back
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import Engine
from triptych.captioning.engine_choice import check_engine, check_forms, choose_engine, open_engine
from triptych.captioning.generation_choice import (
    Choice,
    choose_generations,
    engine_of,
    refuse_other_engine,
    with_engine,
)
from triptych.captioning.image_captions import ImageCaptions, refuse_without_captions
from triptych.captioning.image_texts import ImageTexts, refuse_without_field
from triptych.captioning.job_notes import JobNotes
from triptych.captioning.job_requests import requests_of
from triptych.captioning.journals import write_captions
from triptych.captioning.metrics import LiveMetrics, as_notes, engine_beat, from_notes, opening_line
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import FinishedGroup, Scheduler
from triptych.captioning.sigint import Interrupts
from triptych.captioning.structured import refuse_without_form
from triptych.captioning.useless_answers import Streak, none_is_of_use, stop_where_useless
from triptych.errors import SetupError
from triptych.jobs import Job, named
from triptych.records import Caption
from triptych.runs.canaries import set_aside_doubted
from triptych.runs.context import RunContext
from triptych.runs.generations import begin_generation
from triptych.runs.heartbeats import Heart, forget_beats
from triptych.runs.image_reader import reader_of
from triptych.sources.shard import Shard

NOTE_EVERY_S = 10.0
"""How often run.json is written meanwhile; what `triptych status` shows is so old at most."""


def caption_run(
    context: RunContext,
    sources: Sequence[Shard],
    config: CaptioningConfig,
    chosen: Sequence[str] = (),
    *,
    fresh: bool = False,
    are_named: bool = False,
) -> bool:
    """Caption what the jobs plan and isn't captioned yet. Returns whether any caption was made.

    ``chosen`` names the jobs to do now; all of the run's where it names none. ``fresh``: make new ones, of
    all these jobs where the user has named them (see choose_generations). A failure is a row too, and stays
    one unless ``config.retry_failed``. The stage has finished when no job that was ever begun misses
    anything. Raises UsageError or SetupError where prompts, model, endpoints or sources aren't there,
    KeyboardInterrupt after Ctrl-C.
    """
    run, every_job = context.folder, context.jobs
    if not run.is_finished("sets"):
        raise SetupError(f"{run.path} has no finished sets to caption; run `triptych group` first")
    if taken := take_back(run):
        context.progress.say(f"captions: {taken:,} that workers of a cluster had made are taken over")
    set_aside_doubted(run, context.progress.say)
    notes = JobNotes(run)
    config, why = choose_engine(config, engine_of(run, named(every_job, chosen)))
    jobs = list(named(every_job, chosen))
    jobs.sort(key=lambda job: "captions" in context.prompts[job.name].fields)  # after what they build on
    check_forms(config, jobs)
    context = msgspec.structs.replace(context, jobs=jobs)
    refuse_without_field(context)
    refuse_without_captions(context, every_job, [job.name for job in jobs])
    choices = choose_generations(context, config, every_job, fresh=fresh, are_named=are_named)
    for choice in choices:
        current = run.run_file.generations.get(choice.job.name)
        is_same = choice.generation is not None and choice.generation.name == current
        choice.job = notes.planned_now(choice.job, config.sample, is_same=is_same)
    context = msgspec.structs.replace(context, jobs=[each.job for each in choices])
    notes.begin()
    _take_up(context, choices, notes)
    work = _Work(context, config, notes, ImageCaptions(context, every_job))
    todo = work.todo(choices)
    worked = any(each.backlog.counts.missing for each in todo)
    if worked:
        work.caption(choices, todo, sources, why, every_job)
    for each in todo:
        notes.end(each.choice.job, each.backlog.counts)
    _end(context, notes, every_job, worked)
    return worked


def _end(context: RunContext, notes: JobNotes, every_job: Sequence[Job], worked: bool) -> None:
    """Save the notes; the stage has finished where no job misses anything."""
    run = context.folder
    if left := notes.left_over(every_job):
        notes.save()
        context.progress.say(
            f"captions: {', '.join(left)} still to finish; `triptych caption {run.path}` does that"
        )
    elif worked or not run.is_finished("captions"):
        run.finish_stage("captions", notes.values)
    else:
        notes.save()


def check_generations(
    context: RunContext,
    config: CaptioningConfig,
    chosen: Sequence[str] = (),
    *,
    fresh: bool = False,
    are_named: bool = False,
    identity: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Raise SetupError where captions were made with other settings, or by an engine that ran something else
    than this ``identity``, as ``caption_run`` would."""
    every_job, jobs = context.jobs, named(context.jobs, chosen)
    config, _ = choose_engine(config, engine_of(context.folder, jobs))
    context = msgspec.structs.replace(context, jobs=jobs)
    for choice in choose_generations(context, config, every_job, fresh=fresh, are_named=are_named):
        with_engine(context.folder, choice, identity)


def _take_up(context: RunContext, choices: Sequence[Choice], notes: JobNotes) -> None:
    """Let generations count again that were made with these very settings."""
    now = context.folder.run_file.generations
    taken = {
        each.job.name: each.generation
        for each in choices
        if each.generation is not None and now.get(each.job.name) != each.generation.name
    }
    for job, generation in taken.items():
        context.progress.say(
            f"captions {job}: going on with {generation.name}, made with these settings;"
            f" {now.get(job, 'what was there')} is kept"
        )
    renewed = [each.job.name for each in choices if each.fresh]
    if renewed and len(renewed) < len(choices):
        context.progress.say(
            f"captions: new ones of {', '.join(renewed)}, whose settings have changed; name others with --job"
        )
    if taken:
        notes.use({job: generation.name for job, generation in taken.items()})


class _Todo(msgspec.Struct):
    """A job that may miss something."""

    choice: Choice
    backlog: Backlog
    waits: bool
    """Whether it builds on captions that are made first: then what it misses is counted again."""
    failed_before: Set[str] = frozenset()
    """What is asked for again, by id."""


class _Work(msgspec.Struct, frozen=True):
    """What captioning needs, besides an engine."""

    context: RunContext
    config: CaptioningConfig
    notes: JobNotes
    image_captions: ImageCaptions

    def todo(self, choices: Sequence[Choice]) -> list[_Todo]:
        """The jobs that aren't known to be done, counted."""
        retry, notes = self.config.retry_failed, self.notes
        found: dict[str, _Todo] = {}
        for each in choices:
            base = found.get(str(each.settings.get("captions_of")))
            waits = base is not None and base.backlog.counts.missing > 0
            if (
                each.is_new
                or waits
                or not notes.is_done(each.job)
                or notes.may_pass(each.job)
                or (retry and notes.failed(each.job))
            ):
                backlog = Backlog(self.context.plan(each.job), anew=each.is_new, retry_failed=retry)
                found[each.job.name] = _Todo(each, backlog, waits)
        return list(found.values())

    def caption(
        self,
        choices: Sequence[Choice],
        todo: Sequence[_Todo],
        sources: Sequence[Shard],
        why: str,
        every_job: Sequence[Job],
    ) -> None:
        """Open the engine and make what is missing."""
        missing = [each for each in todo if each.backlog.counts.missing or each.waits]
        read, texts = reader_of(self.context, sources), ImageTexts(self.context, sources)
        builder = RequestBuilder(read, self.config, self.image_captions, texts)
        say = self.context.progress.say
        with contextlib.ExitStack() as held:
            held.callback(set_aside_doubted, self.context.folder, say)
            try:
                engine = self._open(held, choices, missing, sources, every_job)
            except BaseException:
                self.notes.take_back_begin()
                raise
            self._settle(missing, engine)
            counts = {each.choice.job.name: each.backlog.counts.missing for each in missing}
            say(opening_line(engine, why, self.notes.values, counts))
            run, who = self.context.folder.path, ("makes captions", "captioner")
            forget_beats(run, *who)
            heart = Heart(run, *who, lambda: engine_beat(engine))
            with Interrupts() as interrupts, heart:
                for each in missing:
                    if each.waits:
                        self._count(each)
                        self._forget_failures(each)
                    if each.backlog.counts.missing and not interrupts.was_interrupted:
                        _JobWork(self, builder, engine, interrupts, heart).caption(each)
                if isinstance(engine, WatchedEngine) and not interrupts.was_interrupted:
                    engine.end()

    def _open(
        self,
        held: contextlib.ExitStack,
        choices: Sequence[Choice],
        missing: Sequence[_Todo],
        sources: Sequence[Shard],
        every_job: Sequence[Job],
    ) -> Engine:
        """The engine, once it is known to do what is asked of it. Until then nothing of the run changes."""
        config, folder, say = self.config, self.context.folder, self.context.progress.say
        cluster, total = self.context.cluster, sum(each.backlog.counts.missing for each in missing)
        anew = [each.choice.job for each in missing if each.choice.fresh]
        if anew and (cluster is None or config.spec.probe is not None):
            # What there is stays, unless it would be answered.
            check_engine(config, anew, say)
        engine: Engine
        if cluster is None:
            engine = open_engine(config, folder.logs_folder, say)
            held.callback(engine.close)
            asks = captions_of([each.choice.job for each in missing], side_px(config))
            engine = watched(engine, config, asks, total, folder.path, say)
        else:
            opened = open_cluster_engine(self.context, cluster, config, every_job, sources, total)
            engine = held.enter_context(opened)
        if any(each.choice.job.structured for each in missing):
            refuse_without_form(engine, config.tile_px)
        unmade = [each.choice for each in missing]
        for choice in choices:
            if choice not in unmade:
                refuse_other_engine(folder, choice, engine.identity)
        return engine

    def _settle(self, missing: Sequence[_Todo], engine: Engine) -> None:
        """The engine is there: what it runs decides too which generation counts, and new ones begin now."""
        run, using = self.context.folder, dict[str, str]()
        for each in missing:
            choice = each.choice
            before = choice.generation
            choice.generation = with_engine(run, choice, engine.identity) or begin_generation(
                run, choice.job.name, choice.settings, engine.identity, fresh=choice.fresh
            )
            if before is None or choice.generation.name != before.name:
                using[choice.job.name] = choice.generation.name
        self.notes.use(using)
        for each in missing:
            if each.choice.job.name in using:
                self._count(each)
            self.notes.count(each.choice.job, each.backlog.counts)
        self.notes.forget(self.notes.built_on([each.choice.job.name for each in missing]))
        run.run_file.stages["captions"].finished = False
        self.notes.save()
        for each in missing:
            if not each.waits:
                self._forget_failures(each)

    def _count(self, todo: _Todo) -> None:
        plan = self.context.plan_anew(todo.choice.job)
        todo.backlog = Backlog(plan, retry_failed=self.config.retry_failed)

    def _forget_failures(self, todo: _Todo) -> None:
        if todo.backlog.retried:
            self.context.progress.say(
                f"captions {todo.choice.job.name}: asking again for {todo.backlog.retried:,} that failed"
            )
            todo.failed_before = todo.backlog.forget_failures()


class _JobWork(msgspec.Struct, frozen=True):
    """What captioning one job needs."""

    work: _Work
    builder: RequestBuilder
    engine: Engine
    interrupts: Interrupts
    heart: Heart

    def caption(self, todo: _Todo) -> None:
        """Make what is missing, and count it in ``todo`` and, now and then, in run.json."""
        context, notes, job = self.work.context, self.work.notes, todo.choice.job
        begun = todo.backlog.counts
        metrics = LiveMetrics(from_notes(job.name, notes.values), self.engine)
        noted_at = time.monotonic()
        self.heart.take(0, job.name)

        def remember() -> None:
            notes.count(job, todo.backlog.counts, as_notes(job.name, metrics.now()))
            notes.save()

        with context.progress.task(f"captions {job.name}", begun.missing, "captions") as task:

            def on_written(shard: str, rows: Sequence[Caption]) -> None:
                nonlocal noted_at
                todo.backlog.add(shard, rows)
                task.note(metrics.line())
                task.advance(len(rows))
                self.heart.advance(len(rows))
                if time.monotonic() - noted_at >= NOTE_EVERY_S:
                    noted_at = time.monotonic()
                    remember()

            try:
                self._write(todo, metrics, on_written)
            finally:
                remember()
                self.heart.hand_in(0)
        if failed := todo.backlog.counts.failed - begun.failed:
            again = may_pass(todo.backlog.counts)
            context.progress.say(
                f"captions {job.name}: {failed:,} of {begun.missing:,} failed; the journal has each one's"
                f" reason; the same command asks again for {again:,}, and with captioning.retry_failed=true"
                " for all"
            )

    def _write(
        self, todo: _Todo, metrics: LiveMetrics, on_written: Callable[[str, Sequence[Caption]], None]
    ) -> None:
        """Have what is missing captioned, here or on a cluster."""
        job, stopping = todo.choice.job, self.interrupts.stopping
        groups, has_captions = todo.backlog.groups(self.engine.group_size), todo.backlog.counts.captioned > 0
        if isinstance(self.engine, ClusterEngine):
            failed_before, last = frozenset(todo.failed_before), ""
            for taken in self.engine.captions(
                job, groups, stopping, has_captions=has_captions, failed_before=failed_before
            ):
                metrics.add(taken.metrics)
                if taken.rows:
                    on_written(taken.shard, taken.rows)
                    failures = (row.failure for row in taken.rows if row.failure)
                    last = next((each for each in failures if not is_of_image(each)), last)
            counts = todo.backlog.counts
            if last and not counts.captioned and not stopping.is_set():
                raise none_is_of_use(job.name, counts.failed, last)
            return
        requests = requests_of(self.work.context, self.work.config, self.builder, job)
        batches = stop_where_useless(
            Scheduler(groups, requests, self.engine, stopping).finished(),
            job.name,
            stopping,
            requests.check if requests.ask_again else None,
            at_a_time=self.engine.concurrency,
            streak=Streak(has_captions=has_captions),
            failed_before=todo.failed_before,
        )

        def count(finished: FinishedGroup) -> None:
            metrics.count(finished.answers, finished.took_s)
            on_written(finished.group.shard, finished.rows)

        def journal_of(finished: FinishedGroup) -> Path:
            return self.work.context.folder.captions_file(job.name, finished.group.shard)

        write_captions(journal_of, batches, count, stopping)
