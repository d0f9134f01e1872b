"""The stage ``verdicts``: every caption of a run is kept or dropped, with the reason.

Comes in: the captions of a run. Goes out: ``verdicts/<job>/<shard>.jsonl``, one verdict a caption, in
plan order. A failed caption gets none: it is counted as failed. Not its job: the rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from corpus.captioned import PlanLimits, captioned_targets, captions_digest
from corpus.errors import SetupError
from corpus.files import write_jsonl
from corpus.plan import Target
from corpus.progress import Progress, Task
from corpus.records import Caption, JobName, Verdict
from corpus.runfolder import RunFolder, Setting
from filtering.candidate import Candidate
from filtering.config import FilteringConfig
from filtering.judge import Judge

DATA_VERSION = 1
"""Raise it when the same captions and bounds would get other verdicts."""


def filter_run(
    run: RunFolder,
    config: FilteringConfig,
    plan_limits: PlanLimits,
    jobs: Sequence[JobName],
    progress: Progress,
) -> bool:
    """Judge the captions of ``jobs``. Returns False if that was done already.

    Raises SetupError where the captions aren't finished, or the verdicts were made with other bounds.
    """
    if not run.is_finished("captions"):
        raise SetupError(
            f"the captions of {run.path} are not finished, so they can't be filtered;"
            f" run `triptych caption {run.path}` first"
        )
    inputs = {"captions": captions_digest(run, jobs, plan_limits), "jobs": ",".join(jobs)}
    if not run.begin_stage("verdicts", _settings(config), inputs):
        return False
    for job in jobs:
        judge = Judge(config)
        with progress.task(f"filter {job}", None, "captions") as task:
            for shard, pairs in captioned_targets(run, job, plan_limits(job)):
                write_jsonl(run.verdicts_file(job, shard), _verdicts(job, pairs, judge, task))
    run.finish_stage("verdicts")
    return True


def _verdicts(
    job: JobName, pairs: Sequence[tuple[Target, Caption]], judge: Judge, task: Task
) -> Iterator[Verdict]:
    for target, caption in pairs:
        task.advance(1)
        if caption.failure is not None:
            continue
        candidate = Candidate(
            text=caption.text,
            job=job,
            image_count=len(target.images),
            finish_reason=caption.finish_reason,
        )
        yield judge.verdict(caption.id, candidate)


def _settings(config: FilteringConfig) -> dict[str, Setting]:
    settings: dict[str, Setting] = {"data_version": DATA_VERSION, **msgspec.structs.asdict(config)}
    settings["rules"] = ",".join(config.rules)
    return settings
