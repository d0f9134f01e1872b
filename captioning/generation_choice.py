"""Chooses the generation of captions that each job continues.

Comes in: the jobs to do and the settings that their texts depend on. Goes out: for each job an existing
generation, or that a new one is needed. Nothing is written. A generation with exactly these settings is
resumed, even if others were made since. Captions with other settings are replaced only if the user asks for
it, and only in the jobs concerned. Not its job: beginning a generation (see runs.generations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.fingerprint import job_settings, prompt_settings
from triptych.errors import SetupError
from triptych.jobs import Job
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import Generation, current_generation, generations


class Choice(msgspec.Struct, kw_only=True):
    """What one job continues."""

    job: Job
    settings: dict[str, Setting]
    generation: Generation | None
    """None: a new one, which begins once the engine is open."""
    fresh: bool = False
    """Whether the user asked for new captions."""


def choose_generations(
    context: RunContext,
    config: CaptioningConfig,
    every_job: Sequence[Job],
    *,
    fresh: bool = False,
    are_named: bool = False,
) -> list[Choice]:
    """A choice for each of ``context.jobs``, which are some of ``every_job``.

    ``fresh``: make new captions for jobs whose settings have changed, or for all jobs if none has changed or
    the user named the jobs (``are_named``). Raises SetupError if settings have changed without ``fresh``.
    """
    run, settings = context.folder, job_settings(context, config, every_job)
    found = {job.name: _fitting(run, job.name, settings[job.name]) for job in context.jobs}
    current = {job.name: current_generation(run, job.name) for job in context.jobs}
    changed = {
        job.name
        for job in context.jobs
        if found[job.name] is None and current[job.name] is not None and caption_count(run, job.name)
    }
    if changed and not fresh:
        raise _changed_error(run, {name: (current[name], settings[name]) for name in sorted(changed)})
    if not fresh:
        renewed = set()
    elif changed and not are_named:
        renewed = changed
    else:
        renewed = {job.name for job in context.jobs if not _resumes_fresh(run, job.name, found[job.name])}
    return [
        Choice(
            job=job,
            settings=settings[job.name],
            generation=None if job.name in renewed else found[job.name],
            fresh=job.name in renewed,
        )
        for job in context.jobs
    ]


def refuse_other_prompts(context: RunContext) -> None:
    """Raise SetupError if the current captions of a job were made with another prompt than its own."""
    for job in context.jobs:
        current = current_generation(context.folder, job.name)
        asked = prompt_settings(context, job)
        if current is not None and current.differences(asked):
            raise _changed_error(context.folder, {job.name: (current, asked)})


def generation_for_engine(run: RunFolder, choice: Choice, engine: Mapping[str, str]) -> Generation | None:
    """The generation to continue now that the identity of the ``engine`` is known; None: a new one.

    Raises SetupError if the chosen captions were made by an engine that ran something else, and no others by
    one that ran the same.
    """
    current = choice.generation
    if current is not None and current.differences({}, engine):
        fit = [each for each in generations(run, choice.job.name) if each.fits(choice.settings, engine)]
        if fit:
            return fit[-1]
        refuse_other_engine(run, choice, engine)
    return current


def refuse_other_engine(run: RunFolder, choice: Choice, engine: Mapping[str, str]) -> None:
    """Raise SetupError if the captions of a job were begun with an engine that ran something else."""
    current = choice.generation
    if current is None or not (other := current.differences({}, engine)):
        return
    name, (before, now) = next(iter(other.items()))
    raise SetupError(
        f"captions of {choice.job.name} in {run.path} were begun with {name} {before}, now it is {now};"
        f" use the former again, or make new ones with --fresh captions --job {choice.job.name}:"
        " the old ones are kept"
    )


def engine_of(run: RunFolder, jobs: Sequence[Job]) -> Setting:
    """The engine that the captions of these jobs were begun with; None if there are none."""
    begun = (current_generation(run, job.name) for job in jobs)
    return next((each.settings.get("engine") for each in begun if each is not None), None)


def caption_count(run: RunFolder, job: str) -> int:
    """The number of texts in the current generation."""
    return sum(row.failure is None for shard in run.shards() for row in run.captions(job, shard))


def _fitting(run: RunFolder, job: str, settings: Mapping[str, Setting]) -> Generation | None:
    """The current generation if it has these settings, else the newest one that has."""
    current = current_generation(run, job)
    if current is not None and current.fits(settings):
        return current
    fit = [each for each in generations(run, job) if each.fits(settings)]
    return fit[-1] if fit else None


def _resumes_fresh(run: RunFolder, job: str, generation: Generation | None) -> bool:
    """Whether an interrupted command with ``--fresh`` had begun this generation, which is now resumed."""
    if generation is None or not generation.fresh or run.run_file.generations.get(job) != generation.name:
        return False
    state = run.run_file.stages.get("captions")
    return state is not None and state.notes.get(f"{job}.counted_over") is None


def _changed_error(
    run: RunFolder, jobs: Mapping[str, tuple[Generation | None, Mapping[str, Setting]]]
) -> SetupError:
    """The error for changed settings: what differs, how many captions there are, and what to do."""
    ways: dict[str, list[str]] = {}
    for name, (generation, settings) in jobs.items():
        assert generation is not None
        key, (before, now) = next(iter(generation.differences(settings).items()))
        ways.setdefault(f"with {key} = {before!r}, now it is {now!r}", []).append(name)
    found = "; those of ".join(f"{', '.join(names)} were made {way}" for way, names in ways.items())
    count = sum(caption_count(run, name) for name in jobs)
    flags = " ".join(f"--job {name}" for name in jobs)
    return SetupError(
        f"captions of {found} ({count:,} captions in {run.path}); change it back, give it to a job of another"
        f" name, or make new ones with --fresh captions {flags}: the old ones are kept"
    )
