"""The captions stage: makes every planned caption that is missing, job by job.

Comes in: a run folder with images, duplicates and sets, and the sources of its images. Goes out: one row per
target in the journals of each job's generation. Nothing is removed: new captions of a job go into a new
generation, which begins once the engine is open (see generation_choice). Not its job: judging captions (see
filtering).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType

import msgspec

from triptych.captioning.backlog import Backlog, is_of_image, retryable_count
from triptych.captioning.canary.captions import caption_canary
from triptych.captioning.canary.question import side_px
from triptych.captioning.canary.watched_engine import WatchedEngine, watched
from triptych.captioning.cluster import ClusterEngine, open_cluster_engine, recover_worker_rows
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import Engine
from triptych.captioning.engine_choice import check_engine, check_forms, choose_engine, open_engine
from triptych.captioning.generation_choice import (
    Choice,
    choose_generations,
    engine_of,
    generation_for_engine,
    refuse_other_engine,
)
from triptych.captioning.image_fields import (
    ImageCaptions,
    ImageTexts,
    refuse_without_captions,
    refuse_without_text_field,
)
from triptych.captioning.job_notes import JobNotes
from triptych.captioning.journals import Interrupts, write_captions
from triptych.captioning.metrics import LiveMetrics, as_notes, engine_status, expected_time, from_notes
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import FinishedGroup, Scheduler
from triptych.captioning.structured import require_structured_answers
from triptych.captioning.useless_answers import Streak, stop_where_useless, useless_answers_error
from triptych.errors import SetupError
from triptych.jobs import Job, select_jobs
from triptych.records import Caption
from triptych.runs.canaries import set_aside_doubted
from triptych.runs.context import RunContext
from triptych.runs.generations import begin_generation
from triptych.runs.heartbeats import HeartbeatWriter, remove_heartbeats
from triptych.runs.image_reader import reader_of
from triptych.sources.shard import Shard

NOTE_EVERY_S = 10.0
"""How often run.json is written while captions are made, for `triptych status`."""


def caption_run(
    context: RunContext,
    sources: Sequence[Shard],
    config: CaptioningConfig,
    chosen: Sequence[str] = (),
    *,
    fresh: bool = False,
    are_named: bool = False,
) -> bool:
    """Make the captions that are planned and missing. Returns whether there were any.

    ``chosen`` names the jobs to do now; empty means all. ``fresh`` and ``are_named``: see choose_generations.
    Failures are rows too, and stay unless ``config.retry_failed``. The stage is finished when no job that was
    ever begun misses anything. Raises UsageError or SetupError if prompts, model, endpoints or sources are
    missing or unusable, KeyboardInterrupt after Ctrl-C.
    """
    run, every_job = context.folder, context.jobs
    if not run.is_finished("sets"):
        raise SetupError(f"{run.path} has no finished sets to caption; run `triptych group` first")
    if taken := recover_worker_rows(run):
        context.progress.say(f"captions: recovered {taken:,} that workers of a cluster had made")
    set_aside_doubted(run, context.progress.say)
    notes = JobNotes(run)
    config, why = choose_engine(config, engine_of(run, select_jobs(every_job, chosen)))
    jobs = list(select_jobs(every_job, chosen))
    jobs.sort(key=lambda job: "captions" in context.prompts[job.name].fields)  # after those they build on
    check_forms(config, jobs)
    context = msgspec.structs.replace(context, jobs=jobs)
    refuse_without_text_field(context)
    refuse_without_captions(context, every_job, [job.name for job in jobs])
    choices = choose_generations(context, config, every_job, fresh=fresh, are_named=are_named)
    for choice in choices:
        current = run.run_file.generations.get(choice.job.name)
        is_same = choice.generation is not None and choice.generation.name == current
        choice.job = notes.limited_to_sample(choice.job, config.sample, is_same=is_same)
    context = msgspec.structs.replace(context, jobs=[each.job for each in choices])
    notes.begin()
    _resume_generations(context, choices, notes)
    work = _Work(context, config, notes, sources, every_job)
    todo = work.todo(choices)
    worked = any(each.backlog.counts.missing for each in todo)
    if worked:
        work.caption(choices, todo, why)
    for each in todo:
        notes.end(each.choice.job, each.backlog.counts)
    _end(context, notes, every_job, worked)
    return worked


def _end(context: RunContext, notes: JobNotes, every_job: Sequence[Job], worked: bool) -> None:
    """Save the notes, and finish the stage if no job misses anything."""
    run = context.folder
    if left := notes.unfinished(every_job):
        notes.save()
        context.progress.say(
            f"captions: {', '.join(left)} not finished; `triptych caption {run.path}` continues"
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
    """Raise SetupError, as ``caption_run`` would, if captions were made with other settings, or by an engine
    with another ``identity``."""
    every_job, jobs = context.jobs, select_jobs(context.jobs, chosen)
    config, _ = choose_engine(config, engine_of(context.folder, jobs))
    context = msgspec.structs.replace(context, jobs=jobs)
    for choice in choose_generations(context, config, every_job, fresh=fresh, are_named=are_named):
        generation_for_engine(context.folder, choice, identity)


def _resume_generations(context: RunContext, choices: Sequence[Choice], notes: JobNotes) -> None:
    """Make earlier generations with the chosen settings the current ones again."""
    now = context.folder.run_file.generations
    resumed = {
        each.job.name: each.generation
        for each in choices
        if each.generation is not None and now.get(each.job.name) != each.generation.name
    }
    for job, generation in resumed.items():
        context.progress.say(
            f"captions {job}: going on with {generation.name}, made with these settings;"
            f" {now.get(job, 'the previous one')} is kept"
        )
    renewed = [each.job.name for each in choices if each.fresh]
    if renewed and len(renewed) < len(choices):
        context.progress.say(
            f"captions: new ones of {', '.join(renewed)}, whose settings have changed; name others with --job"
        )
    if resumed:
        notes.use({job: generation.name for job, generation in resumed.items()})


class _Todo(msgspec.Struct):
    """A job that may miss captions."""

    choice: Choice
    backlog: Backlog
    waits_for_base: bool
    """Whether it builds on captions that are still missing. Its backlog is counted again after those."""
    failed_before: Set[str] = frozenset()
    """The ids of failures that are asked for again."""


class _Work(msgspec.Struct, frozen=True):
    """What captioning needs, besides an engine."""

    context: RunContext
    config: CaptioningConfig
    notes: JobNotes
    sources: Sequence[Shard]
    every_job: Sequence[Job]

    def todo(self, choices: Sequence[Choice]) -> list[_Todo]:
        """The jobs that aren't known to be done, with their backlogs."""
        retry, notes = self.config.retry_failed, self.notes
        found: dict[str, _Todo] = {}
        for each in choices:
            base = found.get(str(each.settings.get("captions_of")))
            waits_for_base = base is not None and base.backlog.counts.missing > 0
            is_new = each.generation is None
            if (
                is_new
                or waits_for_base
                or not notes.is_done(each.job)
                or notes.has_retryable_failures(each.job)
                or (retry and notes.has_failures(each.job))
            ):
                backlog = Backlog(self.context.plan(each.job), is_new=is_new, retry_failed=retry)
                found[each.job.name] = _Todo(each, backlog, waits_for_base)
        return list(found.values())

    def caption(self, choices: Sequence[Choice], todo: Sequence[_Todo], why: str) -> None:
        """Open the engine and make what is missing."""
        context = self.context
        missing = [each for each in todo if each.backlog.counts.missing or each.waits_for_base]
        captions, texts = ImageCaptions(context, self.every_job), ImageTexts(context, self.sources)
        builder = RequestBuilder(reader_of(context, self.sources), self.config, captions, texts)
        say = context.progress.say
        with contextlib.ExitStack() as stack:
            stack.callback(set_aside_doubted, context.folder, say)
            try:
                engine = self._open(stack, choices, missing)
            except BaseException:
                self.notes.undo_begin()
                raise
            self._begin_generations(missing, engine)
            counts = {each.choice.job.name: each.backlog.counts.missing for each in missing}
            reason = f" ({why})" if why else ""
            say(f"captions: {engine.describe()}{reason}; {expected_time(self.notes.values, counts)}")
            run, who = context.folder.path, ("makes captions", "captioner")
            remove_heartbeats(run, *who)
            heart = HeartbeatWriter(run, *who, lambda: engine_status(engine))
            with Interrupts() as interrupts, heart:
                for each in missing:
                    if each.waits_for_base:
                        self._count(each)
                        self._forget_failures(each)
                    if each.backlog.counts.missing and not interrupts.was_interrupted:
                        _JobWork(self, builder, engine, interrupts, heart).caption(each)
                if isinstance(engine, WatchedEngine) and not interrupts.was_interrupted:
                    engine.end()

    def _open(
        self, stack: contextlib.ExitStack, choices: Sequence[Choice], missing: Sequence[_Todo]
    ) -> Engine:
        """Open and check the engine. The run isn't changed."""
        config, folder, say = self.config, self.context.folder, self.context.progress.say
        cluster, total = self.context.cluster, sum(each.backlog.counts.missing for each in missing)
        fresh = [each.choice.job for each in missing if each.choice.fresh]
        if fresh and (cluster is None or config.spec.probe is not None):
            check_engine(config, fresh, say)  # before existing captions are put aside
        engine: Engine
        if cluster is None:
            engine = open_engine(config, folder.logs_folder, say)
            stack.callback(engine.close)
            asks = caption_canary([each.choice.job for each in missing], side_px(config))
            engine = watched(engine, config, asks, total, folder.path, say)
        else:
            opened = open_cluster_engine(self.context, cluster, config, self.every_job, self.sources, total)
            engine = stack.enter_context(opened)
        if any(each.choice.job.structured for each in missing):
            require_structured_answers(engine, config.tile_px)
        incomplete = [each.choice for each in missing]
        for choice in choices:
            if choice not in incomplete:
                refuse_other_engine(folder, choice, engine.identity)
        return engine

    def _begin_generations(self, missing: Sequence[_Todo], engine: Engine) -> None:
        """Choose generations by the engine's identity too, begin new ones, and note that work has begun."""
        run, using = self.context.folder, dict[str, str]()
        for each in missing:
            choice = each.choice
            before = choice.generation
            choice.generation = generation_for_engine(run, choice, engine.identity) or begin_generation(
                run, choice.job.name, choice.settings, engine.identity, fresh=choice.fresh
            )
            if before is None or choice.generation.name != before.name:
                using[choice.job.name] = choice.generation.name
        self.notes.use(using)
        for each in missing:
            if each.choice.job.name in using:
                self._count(each)
            self.notes.count(each.choice.job, each.backlog.counts)
        self.notes.forget(self.notes.dependents([each.choice.job.name for each in missing]))
        run.run_file.stages["captions"].finished = False
        self.notes.save()
        for each in missing:
            if not each.waits_for_base:
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
    heart: HeartbeatWriter

    def caption(self, todo: _Todo) -> None:
        """Make what is missing, and count it in ``todo`` and every NOTE_EVERY_S in run.json."""
        context, notes, job = self.work.context, self.work.notes, todo.choice.job
        begun = todo.backlog.counts
        metrics = LiveMetrics(from_notes(job.name, notes.values), self.engine)
        noted_at = time.monotonic()
        self.heart.take(0, job.name)

        def save_notes() -> None:
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
                    save_notes()

            try:
                self._write(todo, metrics, on_written)
            finally:
                save_notes()
                self.heart.finish(0)
        if failed := todo.backlog.counts.failed - begun.failed:
            again = retryable_count(todo.backlog.counts)
            context.progress.say(
                f"captions {job.name}: {failed:,} of {begun.missing:,} failed; the journal has each one's"
                f" reason; the same command asks again for {again:,}, and with captioning.retry_failed=true"
                " for all"
            )

    def _write(
        self, todo: _Todo, metrics: LiveMetrics, on_written: Callable[[str, Sequence[Caption]], None]
    ) -> None:
        """Caption what is missing, here or on a cluster."""
        job, stopping = todo.choice.job, self.interrupts.stopping
        groups, has_captions = todo.backlog.groups(self.engine.group_size), todo.backlog.counts.captioned > 0
        if isinstance(self.engine, ClusterEngine):
            failed_before, last = frozenset(todo.failed_before), ""
            for shard, rows, more in self.engine.captions(
                job, groups, stopping, has_captions=has_captions, failed_before=failed_before
            ):
                metrics.add(more)
                if rows:
                    on_written(shard, rows)
                    failures = (row.failure for row in rows if row.failure)
                    last = next((each for each in failures if not is_of_image(each)), last)
            counts = todo.backlog.counts
            if last and not counts.captioned and not stopping.is_set():
                raise useless_answers_error(job.name, counts.failed, last)
            return
        context = self.work.context
        requests = self.builder.requests_of(job, context.prompts[job.name], context.language(job))
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
