"""What a caption's text depends on, by job.

Comes in: a config and its prompts. Goes out: flat settings of a job; captions that were made with other
ones don't belong together. Servers, time limits, batches in flight, limits and samples are left out on
purpose: they choose what is captioned and how fast, not what is written. Not its job: which captions a run
goes on with (see generation_choice).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.image_captions import job_of_captions
from triptych.captioning.tiling import JPEG_QUALITY
from triptych.jobs import Job
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import current_generation
from triptych.runs.jsonl import sha256_of

DATA_VERSION = 1
"""Of this package's code. Raise it when the same config would give other captions."""

MAX_HASHED_BYTES = 64 * 1024 * 1024
SAMPLES, SAMPLE_BYTES = 32, 64 * 1024
"""Of a model's file above this, so many places count: reading 150 GB at every start takes too long, and
training changes every weight a little."""

_OWN = ("asks", "sampling", "max_tokens", "prompt", "naming", "structured", "captions_of")
"""Settings that each job has of its own."""


def job_settings(
    context: RunContext, config: CaptioningConfig, every_job: Sequence[Job]
) -> dict[str, dict[str, Setting]]:
    """Everything in ``config`` that the text of a caption depends on, by the names of ``context.jobs``.

    Its engine is a chosen one, not auto. ``every_job``: those whose captions a prompt may build on. Raises
    SetupError where the model is a folder that can't be read.
    """
    found = {job.name: engine_settings(config, job) | prompt_settings(context, job) for job in context.jobs}
    for job in context.jobs:
        prompt = context.prompts[job.name]
        if "captions" in prompt.fields:
            # What its captions say is part of each target's content (see runs.plan).
            found[job.name]["captions_of"] = job_of_captions(job, prompt, every_job).name
    return found


def prompt_settings(context: RunContext, job: Job) -> dict[str, Setting]:
    """What is asked: that of the settings which filter and export depend on as well."""
    prompt = context.prompts[job.name]
    return {
        "prompt": f"version {prompt.version}, sha256 {prompt.sha256[:16]}",
        "asks": f"one caption of each {job.subject} in {job.language}",
        "structured": job.structured or None,
        "naming": prompt.naming.pattern if prompt.naming is not None else None,
        "text": context.text_field if "text" in prompt.fields else None,
    }


def stage_settings(run: RunFolder) -> dict[str, Setting]:
    """The settings of all generations that count, as run.json, card and report show them.

    One by its name where all jobs agree, those of a job with ``_JOB`` after it.
    """
    found = {job: current_generation(run, job) for job in run.run_file.generations}
    of_jobs: dict[str, Mapping[str, Setting]] = {
        job: {**generation.settings, **generation.engine} for job, generation in found.items() if generation
    }
    merged: dict[str, Setting] = {}
    for key in dict.fromkeys(key for settings in of_jobs.values() for key in settings):
        values = {job: settings.get(key) for job, settings in of_jobs.items()}
        if key not in _OWN and len(set(values.values())) == 1:
            merged[key] = next(iter(values.values()))
        else:
            merged |= {f"{key}_{job}": value for job, value in values.items()}
    return merged


def engine_settings(config: CaptioningConfig, job: Job) -> dict[str, Setting]:
    """Who answers, what it is shown, and how its answers are drawn. Raises SetupError as above."""
    settings: dict[str, Setting] = {
        "engine": config.engine,
        "model": model_identity(config.model) if config.model else None,
        "data_version": DATA_VERSION,
        "ask_again": config.ask_again,
        "jpeg_quality": JPEG_QUALITY,
        "tile_fit": config.tile_fit,
    }
    if config.samples > 1:
        settings["samples"] = config.samples
    if config.tile_fit:
        settings |= {"tile_px": config.tile_px, "max_tiles": config.max_tiles}
    else:
        settings["max_side_px"] = config.max_side_px
    settings |= config.spec.fingerprint(config.settings_of(config.spec))
    return settings | {"sampling": config.sampling_of(job).words(), "max_tokens": config.max_tokens(job)}


def _sampled(path: Path, size_bytes: int) -> str:
    """A hash over SAMPLES places of a file, the first and the last among them."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for number in range(SAMPLES):
            file.seek((size_bytes - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


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
            content = sha256_of(path) if size_bytes <= MAX_HASHED_BYTES else _sampled(path, size_bytes)
            digest.update(f"{path.name}\0{size_bytes}\0{content}\n".encode())
    return f"{folder.resolve().name}, sha256 {digest.hexdigest()[:16]}"
