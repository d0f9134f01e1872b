"""Whether captioning can begin with this config here: the second half of `triptych doctor`.

Comes in: a run's config. Goes out: a Finding a question: the engine and what it says itself, its model's
folder, tiles, the context. Weights are never loaded. Not its job: the machine as such (see doctor).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine_choice import choose_engine
from triptych.captioning.engines import Examined
from triptych.captioning.models.facts import CHAT_FORMAT, HF_FORMAT, ModelFacts, read_model
from triptych.captioning.models.token_budget import longest_requests
from triptych.config import Config
from triptych.errors import SetupError
from triptych.findings import Finding
from triptych.jobs import Job
from triptych.models import is_embedded, resolve_model
from triptych.prompts import load_prompts


def examine_captioning(config: Config) -> Iterator[Finding]:
    """The findings, in order. Nothing where neither a model nor an endpoint is named."""
    captioning = config.captioning
    if captioning.model is None and not captioning.server.urls:
        return
    captioning, why = choose_engine(captioning)
    yield Finding("engine", "ok", captioning.engine + (f" ({why})" if why else ""))
    facts = None
    model = captioning.model
    if model is not None and not (captioning.server.urls and is_embedded(model)):
        facts, finding = _model(captioning, resolve_model(model))
        if finding is not None:
            yield finding
    spec = captioning.spec
    examined = Examined(model=model or "", facts=facts, tile_px=captioning.tile_px)
    of_engine = list(spec.findings(examined, captioning.settings_of(spec)))
    yield from of_engine
    if facts is None:
        return
    if not any(finding.name == "architecture" for finding in of_engine):
        yield from _architecture(captioning, facts)
    if facts.tokens_per_tile is not None and captioning.tile_fit:
        yield _tiles(captioning, facts)
        set_sizes = range(config.sets.min_images, config.sets.max_images + 1)
        yield from _context(captioning, config.chosen_jobs(), facts, set_sizes)


def _model(config: CaptioningConfig, model: str) -> tuple[ModelFacts | None, Finding | None]:
    """With endpoints the name is what they serve, which needs no folder here."""
    try:
        facts = read_model(model)
    except SetupError as error:
        return None, Finding("model", "failed", str(error)) if config.spec.needs_model else None
    if facts is None:
        advice = "the first run downloads it; or name a folder with --model"
        return None, Finding("model", "missing", f"{model} is not on this machine yet", advice)
    found = f"{facts.architecture}, {facts.weights_bytes / 1e9:,.2f} GB of weights in {facts.folder}"
    if not facts.missing_files:
        return facts, Finding("model", "ok", found)
    lacking = ", ".join(facts.missing_files[:3]) + (" ..." if len(facts.missing_files) > 3 else "")
    return facts, Finding("model", "failed", f"{found}, without {lacking}", "get the model again")


def _architecture(config: CaptioningConfig, facts: ModelFacts) -> Iterator[Finding]:
    if facts.architecture in (CHAT_FORMAT, HF_FORMAT):
        yield Finding("architecture", "ok", f"{facts.architecture}, which the tile fit is made for")
    elif config.tile_fit:
        yield Finding(
            "architecture", "missing", f"{facts.architecture} is no InternVL: its images have no such tiles",
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
        yield Finding("context", "missing", "the model's config doesn't say how long it is")
        return
    name, limit = min(known, key=lambda named: named[1])
    requests = longest_requests(
        jobs,
        load_prompts(jobs),
        facts,
        set_sizes,
        max_tiles=config.max_tiles,
        max_tokens=config.max_tokens,
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
