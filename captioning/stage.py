"""The captions stage: every planned caption that is missing, job by job.

Comes in: a run folder with images, duplicates and sets, and the sources of its images. Goes out: rows
in ``captions/<job>/<shard>.jsonl``, one for each target. Not its job: judging captions (see filtering).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Backlog, CaptionCounts, forget_failures
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import Engine
from triptych.captioning.engine_choice import check_forms, choose_engine, open_engine
from triptych.captioning.fingerprint import settle_settings
from triptych.captioning.journals import write_captions
from triptych.captioning.metrics import LiveMetrics, as_notes, from_notes, opening_line
from triptych.captioning.request_builder import RequestBuilder, reader_of
from triptych.captioning.scheduler import FinishedGroup, JobRequests, Scheduler
from triptych.captioning.sigint import Interrupts
from triptych.captioning.structured import refuse_without_form
from triptych.errors import SetupError
from triptych.jobs import Job, named
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.sources.shard import Shard

NOTE_EVERY_S = 10.0
"""How often run.json is written meanwhile; what `triptych status` shows is so old at most."""


def caption_run(
    context: RunContext, sources: Sequence[Shard], config: CaptioningConfig, chosen: Sequence[str] = ()
) -> bool:
    """Caption what the jobs plan and isn't captioned yet. Returns whether any caption was made.

    ``chosen`` names the jobs to do now; all of the run's where it names none.

    A failure is a row too, and stays one unless ``config.retry_failed``. The notes of the stage hold
    for each job that was ever done: its ``limit``, ``planned``, ``captioned`` and ``failed`` as of now,
    and its JobMetrics (see metrics), all while it is at work at most NOTE_EVERY_S old. Raises UsageError or
    SetupError where prompts, model, endpoints or sources aren't there, KeyboardInterrupt after Ctrl-C.
    """
    run, progress = context.folder, context.progress
    if not run.is_finished("sets"):
        raise SetupError(f"{run.path} has no finished sets to caption; run `triptych group` first")
    before = run.run_file.stages.get("captions")
    config, why = choose_engine(config, before.settings.get("engine") if before is not None else None)
    jobs = named(context.jobs, chosen)
    check_forms(config, jobs)
    settings = settle_settings(context, config, jobs)
    context = msgspec.structs.replace(context, jobs=jobs)
    notes = dict(before.notes) if before is not None else {}
    has_work = run.begin_stage("captions", settings, _inputs(context))
    if config.retry_failed and (forgotten := forget_failures(context)):
        progress.say(f"captions: asking again for {forgotten:,} that had failed")
        has_work = True
    if not has_work:
        return False
    backlogs = [Backlog(context.plan(job)) for job in context.jobs]
    for backlog in backlogs:
        notes |= _job_notes(backlog.plan.job, backlog.counts)
    _remember(run, notes)
    missing = {backlog.plan.job.name: backlog.counts.missing for backlog in backlogs}
    worked = any(missing.values())
    if worked:
        builder = RequestBuilder(reader_of(context, sources), config)
        engine = open_engine(config, run.logs_folder, progress.say)
        try:
            _check_same_engine(run, notes, engine)
            if any(job.structured and missing[job.name] for job in jobs):
                refuse_without_form(engine, config.tile_px)
            _remember(run, notes)
            progress.say(opening_line(engine, why, notes, missing))
            with Interrupts() as interrupts:
                work = _Work(context, config, builder, engine, interrupts)
                for backlog in backlogs:
                    if missing[backlog.plan.job.name] and not interrupts.was_interrupted:
                        work.caption(backlog, notes)
        finally:
            engine.close()
    run.finish_stage("captions", notes)
    return worked


class _Work(msgspec.Struct, frozen=True):
    """What captioning a job needs, besides the job."""

    run: RunContext
    config: CaptioningConfig
    builder: RequestBuilder
    engine: Engine
    interrupts: Interrupts

    def caption(self, backlog: Backlog, notes: dict[str, Setting]) -> None:
        """Make what ``backlog`` misses. ``notes`` are kept up to date, in run.json as well."""
        run, job, begun = self.run, backlog.plan.job, backlog.counts
        groups = backlog.groups(self.engine.group_size)
        stopping = self.interrupts.stopping
        scheduler = Scheduler(groups, self._requests(job), self.engine, stopping)
        metrics = LiveMetrics(from_notes(job.name, notes), self.engine)
        captioned, failed = begun.captioned, begun.failed
        noted_at = time.monotonic()

        def remember() -> None:
            counts = CaptionCounts(planned=begun.planned, captioned=captioned, failed=failed)
            notes.update(_job_notes(job, counts) | as_notes(job.name, metrics.now()))
            _remember(run.folder, notes)

        with run.progress.task(f"captions {job.name}", begun.missing, "captions") as task:

            def on_written(finished: FinishedGroup) -> None:
                nonlocal captioned, failed, noted_at
                failures = sum(row.failure is not None for row in finished.rows)
                captioned, failed = captioned + len(finished.rows) - failures, failed + failures
                metrics.count(finished.answers, finished.took_s)
                task.note(metrics.line())
                task.advance(len(finished.rows))
                if time.monotonic() - noted_at >= NOTE_EVERY_S:
                    noted_at = time.monotonic()
                    remember()

            try:
                write_captions(run.folder, scheduler, on_written, stopping)
            finally:
                remember()
        if failed > begun.failed:
            run.progress.say(
                f"captions {job.name}: {failed - begun.failed:,} of {begun.missing:,} failed;"
                " the journal has each one's reason"
            )

    def _requests(self, job: Job) -> JobRequests:
        prompt = self.run.prompts[job.name]
        smaller = self.builder.with_half_the_tiles()
        return JobRequests(
            request=lambda group, target: self.builder.request(job, group.shard, target, prompt),
            smaller=lambda group, target: smaller.request(job, group.shard, target, prompt),
            check=AnswerCheck(
                language=self.run.language(job), naming=prompt.naming, structured=job.structured
            ),
            ask_again=self.config.ask_again,
            max_request_mib=self.config.max_request_mib,
        )


def _inputs(context: RunContext) -> dict[str, str]:
    """What is read, and what is planned of it: with another limit or other jobs the stage goes on."""
    run = context.folder
    plan = ", ".join(f"{job.name} {'all' if job.limit is None else job.limit}" for job in context.jobs)
    return {
        "images": run.digest("images"),
        "duplicates": run.digest("duplicates.jsonl"),
        "sets": run.digest("sets.jsonl"),
        "plan": plan,
    }


def _job_notes(job: Job, counts: CaptionCounts) -> dict[str, Setting]:
    return {
        f"{job.name}.limit": job.limit,
        f"{job.name}.planned": counts.planned,
        f"{job.name}.captioned": counts.captioned,
        f"{job.name}.failed": counts.failed,
    }


def _remember(run: RunFolder, notes: Mapping[str, Setting]) -> None:
    run.run_file.stages["captions"].notes = dict(notes)
    run.save()


def _check_same_engine(run: RunFolder, notes: dict[str, Setting], engine: Engine) -> None:
    """Refuse to go on with an engine that turned out other than the one that began; else note it."""
    for name, now in engine.identity.items():
        before = notes.get(f"engine.{name}")
        if before is not None and before != now:
            raise SetupError(
                f"captions in {run.path} were begun with {name} {before}, now it is {now};"
                " go on with the former, or make them again with --fresh captions"
            )
        notes[f"engine.{name}"] = now
