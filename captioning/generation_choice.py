"""Which generation of a job's captions a run goes on with.

Comes in: the jobs to do and what their texts depend on. Goes out: for each a generation that is there, or
that a new one is to be begun; nothing is written. A generation with exactly these settings is taken up again,
also after a detour. Captions that were made with other settings are put aside only where the user asks for
new ones, and only those of the jobs that it concerns. Not its job: beginning one (see runs.generations).
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
    """What one job goes on with."""

    job: Job
    settings: dict[str, Setting]
    generation: Generation | None
    """None: a new one, begun when the engine is there."""
    fresh: bool = False
    """Whether new captions were asked for although there are some."""

    @property
    def is_new(self) -> bool:
        return self.generation is None


def choose_generations(
    context: RunContext,
    config: CaptioningConfig,
    every_job: Sequence[Job],
    *,
    fresh: bool = False,
    are_named: bool = False,
) -> list[Choice]:
    """A choice for each of ``context.jobs``, which are some of ``every_job``.

    ``fresh``: new captions of those jobs whose settings have changed; of all where none has, or where the
    jobs were named. Raises SetupError where settings have changed otherwise.
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
        raise SetupError(_changed(run, {name: (current[name], settings[name]) for name in sorted(changed)}))
    if not fresh:
        renewed = set()
    elif changed and not are_named:
        renewed = changed
    else:
        renewed = {job.name for job in context.jobs if not _goes_on(run, job.name, found[job.name])}
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
    """Raise SetupError where captions answer another prompt than the run's settings name."""
    for job in context.jobs:
        current = current_generation(context.folder, job.name)
        asked = prompt_settings(context, job)
        if current is not None and current.differences(asked):
            raise SetupError(_changed(context.folder, {job.name: (current, asked)}))


def with_engine(run: RunFolder, choice: Choice, engine: Mapping[str, str]) -> Generation | None:
    """What ``choice`` goes on with, now that it is known what the engine runs; None: a new one.

    Raises SetupError where its captions were begun with something else, and none with this.
    """
    current = choice.generation
    if current is not None and current.differences({}, engine):
        fit = [each for each in generations(run, choice.job.name) if each.fits(choice.settings, engine)]
        if fit:
            return fit[-1]
        refuse_other_engine(run, choice, engine)
    return current


def refuse_other_engine(run: RunFolder, choice: Choice, engine: Mapping[str, str]) -> None:
    """Raise SetupError where the captions of a job were begun with an engine that runs something else."""
    current = choice.generation
    if current is None or not (other := current.differences({}, engine)):
        return
    name, (before, now) = next(iter(other.items()))
    raise SetupError(
        f"captions of {choice.job.name} in {run.path} were begun with {name} {before}, now it is {now};"
        f" go on with the former, or make new ones with --fresh captions --job {choice.job.name}:"
        " the old ones are kept"
    )


def engine_of(run: RunFolder, jobs: Sequence[Job]) -> Setting:
    """The engine that the captions of these jobs were begun with; None where none were."""
    begun = (current_generation(run, job.name) for job in jobs)
    return next((each.settings.get("engine") for each in begun if each is not None), None)


def caption_count(run: RunFolder, job: str) -> int:
    """How many texts there are of the generation that counts."""
    return sum(row.failure is None for shard in run.shards() for row in run.captions(job, shard))


def _fitting(run: RunFolder, job: str, settings: Mapping[str, Setting]) -> Generation | None:
    """The one that counts, where it has these settings; else the newest that has."""
    current = current_generation(run, job)
    if current is not None and current.fits(settings):
        return current
    fit = [each for each in generations(run, job) if each.fits(settings)]
    return fit[-1] if fit else None


def _goes_on(run: RunFolder, job: str, generation: Generation | None) -> bool:
    """Whether new captions were asked for before, by a command that was interrupted and now comes again."""
    if generation is None or not generation.fresh or run.run_file.generations.get(job) != generation.name:
        return False
    state = run.run_file.stages.get("captions")
    return state is not None and state.notes.get(f"{job}.counted_over") is None


def _changed(run: RunFolder, jobs: Mapping[str, tuple[Generation | None, Mapping[str, Setting]]]) -> str:
    """One line: what differs, how many captions there are, and what can be done."""
    ways: dict[str, list[str]] = {}
    for name, (generation, settings) in jobs.items():
        assert generation is not None
        key, (before, now) = next(iter(generation.differences(settings).items()))
        ways.setdefault(f"with {key} = {before!r}, now it is {now!r}", []).append(name)
    found = "; those of ".join(f"{', '.join(names)} were made {way}" for way, names in ways.items())
    count = sum(caption_count(run, name) for name in jobs)
    flags = " ".join(f"--job {name}" for name in jobs)
    return (
        f"captions of {found} ({count:,} captions in {run.path}); change it back, give it to a job of another"
        f" name, or make new ones with --fresh captions {flags}: the old ones are kept"
    )
