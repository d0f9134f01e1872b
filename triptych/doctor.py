"""Checks of this machine: what it can run, what to install, and whether captioning can begin.

Comes in: a run's config for captioning. Goes out: a Finding for each check. Nothing heavy is imported:
packages are looked up, GPUs are read from the driver's own tool, weights are never loaded. Not its job:
checks that only an engine can make (see captioning.engines).
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine_choice import choose_engine
from triptych.captioning.engines import DoctorContext, Finding
from triptych.captioning.lmdeploy.gpus import visible_gpus
from triptych.captioning.lmdeploy.spec import installation_fault
from triptych.captioning.models.facts import CHAT_FORMAT, HF_FORMAT, ModelFacts, read_model
from triptych.captioning.models.token_budget import longest_requests
from triptych.config import Config
from triptych.errors import SetupError
from triptych.executors.processes import core_count
from triptych.extras import install_command
from triptych.jobs import Job
from triptych.models import EMBEDDED, resolve_model
from triptych.prompts import load_prompts

_ALWAYS_NEEDED = ("faiss-cpu", "imagehash", "pillow", "msgspec", "aiohttp", "httpx")

_NEEDED_LOCALLY = ("torch", "open_clip_torch", "transformers")
"""Packages of the extra ``local``."""


def examine() -> list[Finding]:
    """Findings on the machine and the installation, whatever is captioned."""
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("cpu", "ok", f"{core_count()} cores, {_memory_gib():.0f} GiB of memory"),
        _gpus(),
        *(_package(name) for name in (*_ALWAYS_NEEDED, *_NEEDED_LOCALLY)),
        _lmdeploy(),
        *(_embedded(name) for name in EMBEDDED),
        _disk(),
    ]


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _gpus() -> Finding:
    try:
        gpus = visible_gpus()
    except SetupError as error:
        return Finding("gpu", "note", str(error))
    if not gpus:
        return Finding(
            "gpu", "note", "none (no nvidia-smi, or none in CUDA_VISIBLE_DEVICES)",
            "the transformers engine captions on the CPU; for real models name GPU machines with --server",
        )  # fmt: skip
    return Finding("gpu", "ok", "; ".join(f"{g.name}, {g.memory_bytes / 1024**3:.0f} GiB" for g in gpus))


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        if name in _NEEDED_LOCALLY:
            advice = f"needed to embed images and to caption in this process: {install_command('local')}"
            return Finding(name, "note", "not installed", advice)
        return Finding(name, "failed", "not installed", f"{sys.executable} -m pip install triptych")


def _lmdeploy() -> Finding:
    fault = installation_fault()
    if fault is None:
        return Finding("lmdeploy", "ok", metadata.version("lmdeploy"))
    advice = "needed only to serve models on this machine's GPUs: " + install_command("lmdeploy")
    return Finding("lmdeploy", "note", fault, advice)


def _embedded(name: str) -> Finding:
    weights = sorted(Path(resolve_model(name)).glob("*.safetensors"))
    if not weights:
        return Finding(name, "failed", "no weights", "install Triptych again: its package is incomplete")
    size_mb = sum(path.stat().st_size for path in weights) / 1e6
    return Finding(name, "ok", f"{size_mb:.1f} MB (for the demo only)")


def _disk() -> Finding:
    """The free space in the working directory: run folders are likely to be near."""
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free_gb:,.0f} GB free at {Path.cwd()}"
    # 11M rows of about 1 KB in two places, and 11M x 512 float16 embeddings: 35 GB (the sa1b preset).
    if free_gb < 1:
        return Finding("disk", "failed", found, "free some space: a run needs at least 1 GB")
    if free_gb < 40:
        return Finding("disk", "note", found, "enough for small runs; all of SA-1B needs about 40 GB")
    return Finding("disk", "ok", found)


def examine_captioning(config: Config) -> Iterator[Finding]:
    """Findings on captioning with this config; nothing if it names neither a model nor an endpoint."""
    if config.captioning.lacks_model:
        return
    captioning, why = choose_engine(config.captioning.resolved())
    yield Finding("engine", "ok", captioning.engine + (f" ({why})" if why else ""))
    facts = None
    if captioning.model:
        facts, finding = _model(captioning, captioning.model)
        if finding is not None:
            yield finding
    spec = captioning.spec
    context = DoctorContext(model=captioning.model or "", facts=facts, tile_px=captioning.tile_px)
    engine_findings = list(spec.findings(context, captioning.settings_of(spec)))
    yield from engine_findings
    if facts is None:
        return
    if not any(finding.name == "architecture" for finding in engine_findings):
        yield from _architecture(captioning, facts)
    if facts.tokens_per_tile is not None and captioning.tile_fit:
        yield _tiles(captioning, facts)
        set_sizes = range(config.sets.min_images, config.sets.max_images + 1)
        yield from _context(captioning, config.chosen_jobs(), facts, set_sizes)


def _model(config: CaptioningConfig, model: str) -> tuple[ModelFacts | None, Finding | None]:
    """What is known of the model, and a finding. With endpoints it need not be on this machine."""
    try:
        facts = read_model(model)
    except SetupError as error:
        return None, Finding("model", "failed", str(error)) if config.spec.needs_model else None
    if facts is None:
        advice = "the first run downloads it; or name a folder with --model"
        return None, Finding("model", "note", f"{model} is not on this machine yet", advice)
    found = f"{facts.architecture}, {facts.weights_bytes / 1e9:,.2f} GB of weights in {facts.folder}"
    if not facts.missing_files:
        return facts, Finding("model", "ok", found)
    missing = ", ".join(facts.missing_files[:3]) + (" ..." if len(facts.missing_files) > 3 else "")
    return facts, Finding("model", "failed", f"{found}, without {missing}", "get the model again")


def _architecture(config: CaptioningConfig, facts: ModelFacts) -> Iterator[Finding]:
    if facts.architecture in (CHAT_FORMAT, HF_FORMAT):
        yield Finding("architecture", "ok", f"{facts.architecture}, which the tile fit is for")
    elif config.tile_fit:
        yield Finding(
            "architecture", "note", f"{facts.architecture} is not InternVL: it has no such tiles",
            "add --no-tile-fit, so that images keep their proportions",
        )  # fmt: skip


def _tiles(config: CaptioningConfig, facts: ModelFacts) -> Finding:
    found = f"{facts.tile_px} px a tile, {facts.tokens_per_tile} tokens each"
    if facts.tile_px != config.tile_px:
        advice = f"captioning.tile_px is {config.tile_px}: set it to {facts.tile_px}"
        return Finding("tiles", "failed", found, advice)
    return Finding("tiles", "ok", found)


def _context(
    config: CaptioningConfig, jobs: Sequence[Job], facts: ModelFacts, set_sizes: range
) -> Iterator[Finding]:
    limits = [config.spec.context(config.settings_of(config.spec))]
    if facts.context_tokens is not None:
        limits.append(("the model's context", facts.context_tokens))
    known = [limit for limit in limits if limit is not None]
    if not known:
        yield Finding("context", "note", "the model's config doesn't tell the context length")
        return
    name, limit = min(known, key=lambda named: named[1])
    prompts, max_tiles = load_prompts(jobs), config.max_tiles
    requests = longest_requests(
        jobs, prompts, facts, set_sizes, max_tiles=max_tiles, max_tokens=config.max_tokens
    )
    worst = max(requests, key=lambda request: request.total)
    found = (
        f"{worst.job}, the longest: {worst.total:,} tokens ({worst.tiles} tiles of {worst.images} images"
        f" {worst.image_tokens:,}, words {worst.word_tokens:,}, caption {worst.max_tokens:,})"
        f" of the {limit:,} of {name}"
    )
    if worst.total > limit:
        advice = "set captioning.max_tiles or max_tokens lower, sets.max_images lower, or session_len higher"
        yield Finding("context", "failed", found, advice)
    else:
        yield Finding("context", "ok", found)
