"""The settings that a caption's text depends on, by job.

Comes in: a config and its prompts. Goes out: flat settings of a job. Captions with different settings are
never mixed. Servers, timeouts, requests in flight, limits and ``sample`` are left out on purpose: they decide
what is captioned and how fast, not what is written. Not its job: choosing a generation (see
generation_choice).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.image_fields import job_of_captions
from triptych.captioning.tiling import JPEG_QUALITY
from triptych.jobs import Job
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import current_generation
from triptych.runs.jsonl import sha256_of

DATA_VERSION = 1
"""Raise it when a change of this package makes other captions from the same config."""

MAX_HASHED_BYTES = 64 * 1024 * 1024
SAMPLES, SAMPLE_BYTES = 32, 64 * 1024
"""Larger files of a model are hashed in samples: reading 150 GB at every start takes too long, and training
changes every weight a little."""

_DOCUMENTATION = re.compile(
    r"\..*|(?:readme|licen[cs]e|notice|copying|use_policy|citation|changelog)\b.*"
    r"|.*\.(?:md|rst|pdf|html?|png|jpe?g|gif|webp|svg|mp4)",
    re.IGNORECASE,
)
"""Names of a model's files that can't change a caption."""

_PER_JOB = ("asks", "sampling", "max_tokens", "prompt", "naming", "structured", "captions_of")
"""Settings that are always listed per job."""


def job_settings(
    context: RunContext, config: CaptioningConfig, every_job: Sequence[Job]
) -> dict[str, dict[str, Setting]]:
    """All settings that the text of a caption depends on, by the names of ``context.jobs``.

    ``config`` names an engine, not auto. ``every_job`` are all jobs of the run: a prompt may build on
    captions of any of them. Raises SetupError if the model is a folder that can't be read.
    """
    found = {job.name: engine_settings(config, job) | prompt_settings(context, job) for job in context.jobs}
    for job in context.jobs:
        prompt = context.prompts[job.name]
        if "captions" in prompt.fields:
            # The captions themselves are part of each target's content (see runs.plan).
            found[job.name]["captions_of"] = job_of_captions(job, prompt, every_job).name
    return found


def prompt_settings(context: RunContext, job: Job) -> dict[str, Setting]:
    """The settings of the question. Filter and export depend on them as well."""
    prompt = context.prompts[job.name]
    return {
        "prompt": f"version {prompt.version}, sha256 {prompt.sha256[:16]}",
        "asks": f"one caption of each {job.subject} in {job.language}",
        "structured": job.structured or None,
        "naming": prompt.naming.pattern if prompt.naming is not None else None,
        "text": context.text_field if "text" in prompt.fields else None,
    }


def stage_settings(run: RunFolder) -> dict[str, Setting]:
    """The settings of all current generations, as run.json, card and report show them.

    A setting that all jobs share has its plain name; otherwise there is one per job, with ``_JOB`` appended.
    """
    found = {job: current_generation(run, job) for job in run.run_file.generations}
    by_job: dict[str, Mapping[str, Setting]] = {
        job: {**generation.settings, **generation.engine} for job, generation in found.items() if generation
    }
    merged: dict[str, Setting] = {}
    for key in dict.fromkeys(key for settings in by_job.values() for key in settings):
        values = {job: settings.get(key) for job, settings in by_job.items()}
        if key not in _PER_JOB and len(set(values.values())) == 1:
            merged[key] = next(iter(values.values()))
        else:
            merged |= {f"{key}_{job}": value for job, value in values.items()}
    return merged


def engine_settings(config: CaptioningConfig, job: Job) -> dict[str, Setting]:
    """The settings of engine, images and sampling. Raises SetupError as ``job_settings`` does."""
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
    """A hash over SAMPLES parts of a file, from its beginning to its end."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for number in range(SAMPLES):
            file.seek((size_bytes - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def model_identity(model: str) -> str:
    """A hub id or served name unchanged; for a folder, its name and a hash over its files.

    So a folder may move, but captions of a retrained model aren't mixed with the old ones. Documentation
    doesn't count.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not _DOCUMENTATION.fullmatch(path.name):
            size_bytes = path.stat().st_size
            content = sha256_of(path) if size_bytes <= MAX_HASHED_BYTES else _sampled(path, size_bytes)
            digest.update(f"{path.name}\0{size_bytes}\0{content}\n".encode())
    return f"{folder.resolve().name}, sha256 {digest.hexdigest()[:16]}"
