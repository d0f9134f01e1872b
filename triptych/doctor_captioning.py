"""Whether captioning can begin with this config here: the second half of `triptych doctor`.

Comes in: a run's config. Goes out: a Finding a question: the engine, its model's folder, the GPUs' memory,
the context, the endpoints. Weights are never loaded. Not its job: the machine as such (see checkup).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.probe import try_endpoint
from triptych.captioning.engines.choice import choose_engine, lmdeploy_fault
from triptych.captioning.lmdeploy.command import gpu_groups
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.captioning.models.facts import CHAT_FORMAT, HF_FORMAT, ModelFacts, read_model
from triptych.captioning.models.token_budget import longest_requests
from triptych.config import Config
from triptych.doctor import Finding
from triptych.errors import SetupError
from triptych.jobs import Job
from triptych.models import is_embedded, resolve_model
from triptych.prompts import load_prompts

MARGIN_BYTES_PER_GPU = 3 * 1024**3
"""For the driver's context, the vision tower's activations and fragments. A rule of thumb, not measured."""

GIB = 1024**3


def examine_captioning(config: Config) -> Iterator[Finding]:
    """The findings, in order. Nothing where neither a model nor an endpoint is named."""
    captioning = config.captioning
    if captioning.model is None and not captioning.servers:
        return
    captioning, why = choose_engine(captioning)
    yield Finding("engine", "ok", captioning.engine + (f" ({why})" if why else ""))
    facts = None
    model = captioning.model
    if model is not None and not (captioning.servers and is_embedded(model)):
        facts, findings = _model(captioning, resolve_model(model))
        yield from findings
    if captioning.engine == "lmdeploy":
        yield from _lmdeploy(captioning, facts)
    if facts is not None and facts.tokens_per_tile is not None and captioning.tile_fit:
        yield _tiles(captioning, facts)
        yield from _context(
            captioning, config.chosen_jobs(), facts, range(config.sets.min_images, config.sets.max_images + 1)
        )
    for url in captioning.servers:
        yield _endpoint(captioning, url)


def _model(config: CaptioningConfig, model: str) -> tuple[ModelFacts | None, list[Finding]]:
    """With endpoints the name is what they serve, which needs no folder here."""
    try:
        facts = read_model(model)
    except SetupError as error:
        if config.engine == "server":
            return None, []
        return None, [Finding("model", "failed", str(error))]
    if facts is None:
        advice = "the first run downloads it; or name a folder with --model"
        return None, [Finding("model", "missing", f"{model} is not on this machine yet", advice)]
    found = f"{facts.architecture}, {facts.weights_bytes / 1e9:,.2f} GB of weights in {facts.folder}"
    if facts.missing_files:
        lacking = ", ".join(facts.missing_files[:3]) + (" ..." if len(facts.missing_files) > 3 else "")
        return facts, [Finding("model", "failed", f"{found}, without {lacking}", "get the model again")]
    return facts, [Finding("model", "ok", found), *_architecture(config, facts)]


def _architecture(config: CaptioningConfig, facts: ModelFacts) -> Iterator[Finding]:
    own_code = facts.needs_own_code or facts.architecture == CHAT_FORMAT
    if config.engine == "transformers" and own_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} runs code of its own, which Triptych doesn't",
            "take its Hugging Face format (a name that ends in -hf), or --engine lmdeploy",
        )  # fmt: skip
    elif config.engine == "lmdeploy" and own_code and not config.lmdeploy.trust_remote_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} brings code of its own; lmdeploy won't run it",
            "set captioning.lmdeploy.trust_remote_code=true if you trust it, or take a model ending in -hf",
        )  # fmt: skip
    elif facts.architecture in (CHAT_FORMAT, HF_FORMAT):
        yield Finding("architecture", "ok", f"{facts.architecture}, which the tile fit is made for")
    elif config.tile_fit:
        yield Finding(
            "architecture", "missing", f"{facts.architecture} is no InternVL: its images have no such tiles",
            "add --no-tile-fit, so that images keep their proportions",
        )  # fmt: skip


def _lmdeploy(config: CaptioningConfig, facts: ModelFacts | None) -> Iterator[Finding]:
    fault = lmdeploy_fault()
    if fault is not None:
        yield Finding(
            "lmdeploy version", "failed", fault, "install the tested one: pip install 'triptych[lmdeploy]'"
        )
    try:
        groups = gpu_groups(visible_gpus(), config.lmdeploy.tp)
    except SetupError as error:
        yield Finding("gpu memory", "failed", str(error))
        return
    if facts is not None:
        yield _memory(config, facts, groups)


def _memory(config: CaptioningConfig, facts: ModelFacts, groups: Sequence[tuple[Gpu, ...]]) -> Finding:
    """Weights and margin against the smallest group; what is left holds keys and values."""
    group = min(groups, key=lambda gpus: sum(gpu.free_bytes for gpu in gpus))
    free = sum(gpu.free_bytes for gpu in group)
    needed = facts.weights_bytes + MARGIN_BYTES_PER_GPU * len(group)
    found = (
        f"{len(groups)} x {len(group)} GPU, {free / GIB:.1f} GiB free in a group;"
        f" {facts.weights_bytes / GIB:.1f} GiB of weights,"
        f" {MARGIN_BYTES_PER_GPU / GIB:.0f} GiB of margin a GPU"
    )
    if needed > free:
        advice = (
            f"{(needed - free) / GIB:.1f} GiB too little: a higher --tp, a smaller model, or free the GPUs"
        )
        return Finding("gpu memory", "failed", found, advice)
    if facts.cache_bytes_per_token:
        tokens = (free - needed) * config.lmdeploy.cache_share / facts.cache_bytes_per_token
        found += f"; room for keys and values of {tokens:,.0f} tokens"
    return Finding("gpu memory", "ok", found)


def _tiles(config: CaptioningConfig, facts: ModelFacts) -> Finding:
    found = f"{facts.tile_px} px a tile, {facts.tokens_per_tile} tokens each"
    if facts.tile_px != config.tile_px:
        advice = f"captioning.tile_px is {config.tile_px}: set it to {facts.tile_px}"
        return Finding("tiles", "failed", found, advice)
    return Finding("tiles", "ok", found)


def _context(
    config: CaptioningConfig, jobs: Sequence[Job], facts: ModelFacts, set_sizes: range
) -> Iterator[Finding]:
    limits = {"the model's context": facts.context_tokens}
    if config.engine == "lmdeploy":
        limits["captioning.lmdeploy.session_len"] = config.lmdeploy.session_len
    known = {name: limit for name, limit in limits.items() if limit is not None}
    if not known:
        yield Finding("context", "missing", "the model's config doesn't say how long it is")
        return
    name, limit = min(known.items(), key=lambda item: item[1])
    requests = longest_requests(config, jobs, load_prompts(jobs), facts, set_sizes)
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


def _endpoint(config: CaptioningConfig, url: str) -> Finding:
    try:
        answer = try_endpoint(config, url)
    except SetupError as error:
        return Finding("endpoint", "failed", str(error))
    return Finding(
        "endpoint", "ok",
        f"{url} serves {answer.served_model}; an image, {answer.completion.prompt_tokens} tokens with its"
        f" prompt, came back as {answer.completion.completion_tokens} tokens in {answer.seconds:.1f} s",
    )  # fmt: skip
