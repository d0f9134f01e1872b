"""Checks captions: a model is asked about every statement, together with the image that it is about.

Comes in: a run whose captions were filtered, the sources of its images, a config. Goes out: a journal of
answers for each job and shard (see runs.checks). The choice of captions depends on their ids alone, and
starts with those that a report shows. The order of the questions is a hash of theirs, so that no answer
follows from the one before. Questions that were answered aren't asked again, those that failed are. Not its
job: the questions (see questions), what follows from answers (see filtering).
"""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triptych.captioning.backlog import Group, cut_into_groups
from triptych.captioning.canary.statements import statement_canary
from triptych.captioning.canary.watched_engine import WatchedEngine, watched
from triptych.captioning.checking.config import CheckingConfig, with_checking_keys
from triptych.captioning.checking.questions import Question, checks_in, questions_on, requests_of_checks
from triptych.captioning.cluster import ClusterEngine, open_cluster_engine, recover_worker_rows
from triptych.captioning.engine import Engine
from triptych.captioning.engine_choice import choose_engine, open_engine
from triptych.captioning.fingerprint import engine_settings, model_identity
from triptych.captioning.journals import Interrupts, write_captions
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import FinishedGroup, Scheduler
from triptych.captioning.useless_answers import stop_where_useless
from triptych.errors import SetupError
from triptych.jobs import Job
from triptych.prompts.check_prompt import check_prompt
from triptych.records import Caption, StatementCheck, target_of
from triptych.runs.canaries import set_aside_doubted
from triptych.runs.checks import (
    Checker,
    begin_checks,
    checks_file,
    checks_of_caption,
    lost_answers,
    note_outcome,
    read_checks,
    use_checks,
)
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import reader_of
from triptych.runs.plan import Planned, Target
from triptych.runs.sampling import drawn_rank, hash64, last_of_smallest
from triptych.runs.stage_record import JobChecks
from triptych.sources.shard import Shard

UNTRUE = "untrue"
"""The rule that rejects by checks. Captions that it rejects are still checked."""


def check_run(context: RunContext, sources: Sequence[Shard], config: CheckingConfig) -> dict[str, JobChecks]:
    """Check the captions of the context's jobs. Returns the outcome by job.

    Raises SetupError if there are no verdicts yet, the engine can't be opened or sources are missing,
    KeyboardInterrupt after Ctrl-C.
    """
    run = context.folder
    if not run.is_finished("verdicts"):
        raise SetupError(f"{run.path}: verdicts are not finished; run `triptych filter {run.path}` first")
    chosen, why = choose_engine(config)

    def say(line: str) -> None:
        context.progress.say(with_checking_keys(line))

    for lost in lost_answers(run, [job.name for job in context.jobs]).values():
        say(f"note: {lost}; what is missing is asked for again")
    if taken := recover_worker_rows(run):
        say(f"checks: recovered {taken:,} rows that workers of a cluster had made")
    set_aside_doubted(run, say)
    with contextlib.ExitStack() as stack:
        stack.callback(set_aside_doubted, run, say)
        engine: Engine
        if context.cluster is None:  # opened first, so that a wrong set-up fails early
            engine = open_engine(chosen, run.logs_folder, say)
            stack.callback(engine.close)
        samples = [_Sample(context, job, _last_rank(context, job, config.captions)) for job in context.jobs]
        if context.cluster is not None:
            most = sum(_count(each).statements for each in samples)
            opened = open_cluster_engine(
                context, context.cluster, chosen, context.jobs, sources, most, checks=True
            )
            engine = stack.enter_context(opened)
        say(f"checks: {engine.describe()}{f' ({why})' if why else ''}")
        builder = RequestBuilder(reader_of(context, sources), chosen)
        for sample in samples:
            sample.checker = _checker(sample.job, chosen, engine)
        missing = {each.job.name: _count(each).missing for each in samples}
        if context.cluster is None:
            engine = watched(engine, chosen, statement_canary(chosen), sum(missing.values()), run.path, say)
        with Interrupts() as interrupts:
            for sample in samples:
                name = sample.job.name
                if interrupts.was_interrupted:
                    break
                _warn_if_same_model(context, sample.job, chosen, engine)
                assert sample.checker is not None
                begin_checks(run, name, sample.checker)
                if missing[name]:
                    _check_job(sample, chosen, builder, engine, interrupts.stopping, missing[name])
            if isinstance(engine, WatchedEngine) and not interrupts.was_interrupted:
                engine.end()
    found = {each.job.name: _count(each) for each in samples}
    for sample in samples:
        _note_answers(run, sample, found[sample.job.name])
    return found


def _note_answers(run: RunFolder, sample: _Sample, counts: JobChecks) -> None:
    """Make this checker's answers the current ones, if there are any, and note their counts."""
    assert sample.checker is not None
    if counts.answers:
        use_checks(run, sample.job.name, sample.checker)
    if run.run_file.checks.get(sample.job.name) == sample.checker.name:
        note_outcome(run, sample.job.name, counts)


@dataclass
class _Sample:
    """The captions of a job that are checked."""

    context: RunContext
    job: Job
    last_rank: int | None
    """The largest rank in the sample. None: all captions."""
    checker: Checker | None = None
    """The checker whose answers are read. None: the current one."""

    def read(self) -> Iterator[tuple[str, list[tuple[Planned, list[Question]]]]]:
        """By shard: the captions with their questions."""
        prompt, naming = check_prompt(self.job.language), self.context.prompts[self.job.name].naming
        for shard, planned in self.context.plan(self.job).read_all(verdicts=True):
            chosen = [each for each in planned if _is_candidate(each) and self._has(each)]
            if chosen:
                yield shard, [(each, list(questions_on(each, prompt, naming))) for each in chosen]

    def answers(self, shard: str) -> Mapping[str, list[StatementCheck]]:
        """The answers so far, by caption."""
        checker = None if self.checker is None else self.checker.name
        return read_checks(self.context.folder, self.job.name, shard, checker)

    def _has(self, planned: Planned) -> bool:
        return self.last_rank is None or _rank(planned) <= self.last_rank


def _last_rank(context: RunContext, job: Job, captions: int) -> int | None:
    """The largest rank in a sample of ``captions``. 0 stands for all captions and gives None."""
    if not captions:
        return None
    ranks = array("Q")
    for _, planned in context.plan(job).read_all(verdicts=True):
        ranks.extend(_rank(each) for each in planned if _is_candidate(each))
    return last_of_smallest(ranks, captions)


def _count(sample: _Sample) -> JobChecks:
    """Counts of the sample and its answers so far."""
    context, job, answers = sample.context, sample.job, Counter[str]()
    counts = JobChecks(made_of=context.folder.captions_mark(job.name))
    for shard, chosen in sample.read():
        found = sample.answers(shard)
        for planned, questions in chosen:
            caption, target = _captioned(planned)
            checks = checks_of_caption(found.get(caption.id, ()), caption, target)
            answered = {each.id: each for each in checks}
            counts.captions += 1
            counts.statements += len(questions)
            made = [answered[q.check.id] for q in questions if q.check.id in answered]
            counts.missing += len(questions) - sum(each.failure is None for each in made)
            own = [each for each in made if each.answer and not each.is_swapped]
            answers.update(each.answer for each in own)
            counts.denied += any(each.answer == "no" for each in own)
            held = {each.start for each in own if each.answer == "yes"}
            elsewhere = [
                each.answer for each in made if each.is_swapped and each.answer and each.start in held
            ]
            counts.swapped += len(elsewhere)
            counts.hold_elsewhere += elsewhere.count("yes")
            counts.prompt_tokens += sum(each.prompt_tokens for each in made)
            counts.completion_tokens += sum(each.completion_tokens for each in made)
    counts.answers = dict(answers)
    return counts


def _warn_if_same_model(context: RunContext, job: Job, config: CheckingConfig, engine: Engine) -> None:
    """Warn if the captions were made by the checker's model, which can't see its own mistakes."""
    from triptych.runs.generations import current_generation

    generation = current_generation(context.folder, job.name)
    if generation is None:
        return
    model = model_identity(config.model) if config.model is not None else None
    same_model = model is not None and generation.settings.get("model") == model
    served = engine.identity.get("served_model")
    if same_model or (served and served == generation.engine.get("served_model")):
        context.progress.say(
            f"warning: the captions of {job.name} were made by the model that checks them; one of another"
            " family sees more"
        )


def _checker(job: Job, config: CheckingConfig, engine: Engine) -> Checker:
    return Checker(
        settings=engine_settings(config, job),
        identity=dict(engine.identity),
        prompt=check_prompt(job.language).sha256,
    )


def _check_job(
    sample: _Sample,
    config: CheckingConfig,
    builder: RequestBuilder,
    engine: Engine,
    stopping: threading.Event,
    missing: int,
) -> None:
    context, job = sample.context, sample.job
    assert sample.checker is not None
    run, checker = context.folder, sample.checker.name
    questions: dict[str, Question] = {}
    failed_before: set[str] = set()
    groups = _groups(sample, engine.group_size, questions, failed_before)
    with context.progress.task(f"checks {job.name}", missing, "answers") as task:
        if isinstance(engine, ClusterEngine):
            for taken in engine.checks(job, checker, groups, stopping, questions):
                task.advance(len(taken.rows))
            return

        def journal_of(finished: FinishedGroup) -> Path:
            return checks_file(run, job.name, checker, finished.group.shard)

        def on_written(finished: FinishedGroup) -> None:
            task.advance(len(finished.rows))
            for target in finished.group.targets:
                del questions[target.id]

        scheduler = Scheduler(
            groups, requests_of_checks(builder, config, job, context, questions), engine, stopping
        )
        batches = stop_where_useless(
            scheduler.finished(),
            job.name,
            stopping,
            at_a_time=engine.concurrency,
            is_part=True,  # what is left may be only questions that are refused for good
            failed_before=failed_before,
            stage="checks",
        )
        rows_of = partial(checks_in, questions=questions, job=job)
        write_captions(journal_of, batches, on_written, stopping, rows_of)


def _groups(
    sample: _Sample, group_size: int, questions: dict[str, Question], failed_before: set[str]
) -> Iterator[Group]:
    """The groups that miss an answer, shard by shard. Before a group is yielded, its questions are added to
    ``questions``, by id, and the ids of failed checks to ``failed_before``."""
    job = sample.job
    for shard, chosen in sample.read():
        found = sample.answers(shard)
        asked: dict[str, Question] = {}
        answered: set[str] = set()
        for planned, of_planned in chosen:
            caption, target = _captioned(planned)
            asked |= {each.check.id: each for each in of_planned}
            made = checks_of_caption(found.get(caption.id, ()), caption, target)
            answered |= {each.id for each in made if each.failure is None}
            failed_before |= {each.id for each in made if each.failure is not None}
        targets = [asked[each].target for each in sorted(asked, key=hash64)]
        for members in cut_into_groups(targets, group_size):
            missing = frozenset(target.id for target in members) - answered
            if missing:
                questions |= {target.id: asked[target.id] for target in members}
                yield Group(job=job, shard=shard, targets=members, missing=missing)


def _rank(planned: Planned) -> int:
    return drawn_rank(target_of(planned.target.id))


def _is_candidate(planned: Planned) -> bool:
    """Whether a caption is kept, or would be without checks."""
    verdict = planned.verdict
    if verdict is None or not planned.is_captioned:
        return False
    return verdict.keep or verdict.reason == UNTRUE or bool(verdict.removed)


def _captioned(planned: Planned) -> tuple[Caption, Target]:
    assert planned.caption is not None
    return planned.caption, planned.target
