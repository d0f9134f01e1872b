"""Run contexts for tests: a folder, jobs by name, built-in prompts."""

from __future__ import annotations

from collections.abc import Mapping

from triptych.filtering.scoring import FilterJob
from triptych.jobs import SEED_JOBS, Job
from triptych.languages import LANGUAGES
from triptych.progress import Progress, Silent
from triptych.prompts import Prompt, load_prompt, load_prompts
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder

JOBS: Mapping[str, Job] = {job.name: job for job in SEED_JOBS}
"""The built-in jobs, by name."""


def filter_jobs_of(*jobs: str, contract: bool = False) -> list[FilterJob]:
    """Built-in jobs (all if none is named) as the filter gets them. ``contract``: with their prompts, which
    define how captions name images."""
    chosen = [JOBS[name] for name in jobs or JOBS]
    return [FilterJob(job, LANGUAGES[job.language], load_prompt(job) if contract else None) for job in chosen]


def limited(name: str, limit: int | None) -> Job:
    """A built-in job with a limit."""
    job = JOBS[name]
    return job if limit is None else job.limited_to(limit)


def context_of(
    folder: RunFolder,
    *jobs: str | Job,
    prompts: Mapping[str, Prompt] | None = None,
    progress: Progress | None = None,
) -> RunContext:
    """A context with ``jobs`` (all built-in ones if none is given), and their prompts."""
    chosen = [JOBS[job] if isinstance(job, str) else job for job in jobs or SEED_JOBS]
    return RunContext(
        folder=folder,
        jobs=tuple(chosen),
        prompts=load_prompts(chosen) if prompts is None else prompts,
        progress=progress or Silent(),
    )
