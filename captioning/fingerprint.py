"""What a caption depends on, as the run folder compares it.

Comes in: a config and its prompts. Goes out: flat settings; where one of them changes, captions made
before and after don't belong together. Some are of all jobs, some of one, and those of a job count once it
has captions: jobs may come, change and go before. Servers, time limits, batches in flight, limits and
samples are left out on purpose: they choose what is captioned and how fast, not what is written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.tiling import JPEG_QUALITY
from triptych.errors import SetupError
from triptych.jobs import Job
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.jsonl import sha256_of

DATA_VERSION = 1
"""Of this package's code. Raise it when the same config would give other captions."""

MAX_HASHED_BYTES = 64 * 1024 * 1024
"""A model's file above this counts by its name and size: reading 150 GB at every start takes too long."""


_OF_A_JOB = re.compile("(?:asks|sampling|max_tokens|prompt|naming|structured)_(.+)")


def caption_settings(context: RunContext, config: CaptioningConfig) -> dict[str, Setting]:
    """Everything in ``config`` that the text of a caption of ``context.jobs`` depends on.

    Its engine is a chosen one, not auto. Raises SetupError where the model is a folder that can't be read.
    """
    settings = _of_all_jobs(config)
    for job in context.jobs:
        settings |= _of_job(context, config, job)
    return settings


def settle_settings(
    context: RunContext, config: CaptioningConfig, chosen: Sequence[Job]
) -> dict[str, Setting]:
    """The settings to begin or resume the stage with: of jobs that have captions, and of those ``chosen``.

    What the stage remembers of a job without captions gives way to them; that of a job with captions stays
    when the config defines it no more. Raises SetupError where a job with captions has changed.
    """
    run = context.folder
    state = run.run_file.stages.get("captions")
    stored = {} if state is None else state.settings
    begun = {name for name in _jobs_in(stored) | {job.name for job in context.jobs} if _has_text(run, name)}
    of_jobs = {key: value for key, value in stored.items() if _job_of(key) in begun}
    for job in context.jobs:
        now = _of_job(context, config, job)
        if job.name in begun and state is not None:
            _refuse_changes(run, job.name, stored, now)
        if job.name in begun or job in chosen:
            of_jobs |= now
    if state is not None:
        state.settings = {key: value for key, value in stored.items() if _job_of(key) is None} | of_jobs
    return _of_all_jobs(config) | of_jobs


def _of_all_jobs(config: CaptioningConfig) -> dict[str, Setting]:
    settings: dict[str, Setting] = {
        "data_version": DATA_VERSION,
        "engine": config.engine,
        "model": model_identity(config.model) if config.model else None,
        "ask_again": config.ask_again,
        "jpeg_quality": JPEG_QUALITY,
        "tile_fit": config.tile_fit,
    }
    if config.tile_fit:
        settings |= {"tile_px": config.tile_px, "max_tiles": config.max_tiles}
    else:
        settings["max_side_px"] = config.max_side_px
    return settings | dict(config.spec.fingerprint(config.settings_of(config.spec)))


def _of_job(context: RunContext, config: CaptioningConfig, job: Job) -> dict[str, Setting]:
    prompt = context.prompts[job.name]
    return {
        f"sampling_{job.name}": config.sampling_of(job).words(),
        f"max_tokens_{job.name}": config.max_tokens(job),
        f"prompt_{job.name}": f"version {prompt.version}, sha256 {prompt.sha256[:16]}",
        f"asks_{job.name}": f"one caption of each {job.subject} in {job.language}",
        f"structured_{job.name}": job.structured or None,
        f"naming_{job.name}": prompt.naming.pattern if prompt.naming is not None else None,
    }


def _job_of(key: str) -> str | None:
    """The job that a setting is of; None: all."""
    found = _OF_A_JOB.fullmatch(key)
    return found[1] if found else None


def _jobs_in(settings: Mapping[str, Setting]) -> set[str]:
    return {name for key in settings if (name := _job_of(key)) is not None}


def _has_text(run: RunFolder, job: str) -> bool:
    """Whether anything that the job made would be lost with its captions."""
    return any(row.failure is None for shard in run.shards() for row in run.captions(job, shard))


def _refuse_changes(
    run: RunFolder, job: str, stored: Mapping[str, Setting], now: Mapping[str, Setting]
) -> None:
    for key, value in now.items():
        if stored.get(key) != value:
            raise SetupError(
                f"captions of {job} in {run.path} were made with {key} = {stored.get(key)!r}, now it is"
                f" {value!r}; change it back, or give it to a job of another name; --fresh captions makes"
                " the captions of every job again",
                path=run.path,
            )


def model_identity(model: str) -> str:
    """A hub id or served name as it is; of a folder its name and a hash over its files.

    So a folder may move, but when it is trained again its captions aren't mixed with the old ones.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            size_bytes = path.stat().st_size
            content = sha256_of(path) if size_bytes <= MAX_HASHED_BYTES else ""
            digest.update(f"{path.name}\0{size_bytes}\0{content}\n".encode())
    return f"{folder.resolve().name}, sha256 {digest.hexdigest()[:16]}"
