"""What a caption depends on, as the run folder compares it.

Comes in: a config and its prompts. Goes out: flat settings; where one of them changes, captions made
before and after don't belong together. Servers, time limits, batches in flight, jobs, limits and
samples are left out on purpose: they choose what is captioned and how fast, not what is written.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.tiling import JPEG_QUALITY
from triptych.runs.context import RunContext
from triptych.runs.folder import Setting
from triptych.runs.jsonl import sha256_of

DATA_VERSION = 1
"""Of this package's code. Raise it when the same config would give other captions."""

MAX_HASHED_BYTES = 64 * 1024 * 1024
"""A model's file above this counts by its name and size: reading 150 GB at every start takes too long."""


def caption_settings(run: RunContext, config: CaptioningConfig) -> dict[str, Setting]:
    """Everything in ``config`` that a caption's text depends on. Its engine is a chosen one, not auto.

    Raises SetupError where the model is a folder that can't be read.
    """
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
    settings |= config.spec.fingerprint(config.settings_of(config.spec))
    for job in run.jobs:
        prompt = run.prompts[job.name]
        settings[f"sampling_{job.name}"] = config.sampling_of(job).words()
        settings[f"max_tokens_{job.name}"] = config.max_tokens(job)
        settings[f"prompt_{job.name}"] = f"version {prompt.version}, sha256 {prompt.sha256[:16]}"
    return settings


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
