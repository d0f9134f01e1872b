"""lmdeploy servers of this machine, as they are chosen, checked and examined before one is started.

Comes in: a model, a LmdeployConfig. Goes out: the EngineSpec. lmdeploy is never imported: its version is
looked up, GPUs are asked of the driver's own tool. Not its job: starting servers (see engine).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from triptych.captioning.engine import Engine
from triptych.captioning.engines import EngineSpec, Examined, Finding, RequestLimits, Suitability
from triptych.captioning.lmdeploy.command import gpu_groups, groups_here
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.captioning.models.facts import ModelFacts
from triptych.captioning.models.location import locate
from triptych.errors import SetupError
from triptych.extras import install

VERSIONS = ("0.18",)
"""Whose command line and server Triptych is tested with."""

MARGIN_BYTES_PER_GPU = 3 * 1024**3
"""For the driver's context, the vision tower's activations and fragments. A rule of thumb, not measured."""

GIB = 1024**3


def installation_fault() -> str | None:
    """What is wrong with the installed lmdeploy; None where it is a tested one."""
    from importlib import metadata  # it takes as long as all of `--help`

    version = None
    with contextlib.suppress(metadata.PackageNotFoundError):
        version = metadata.version("lmdeploy")
    if version is None:
        return "lmdeploy is not installed"
    if not version.startswith(tuple(f"{known}." for known in VERSIONS)):
        return f"lmdeploy is {version}, and Triptych starts {', '.join(VERSIONS)} only"
    return None


def _open(
    model: str, config: LmdeployConfig, limits: RequestLimits, logs: Path, say: Callable[[str], None]
) -> Engine:
    from triptych.captioning.lmdeploy.engine import LmdeployEngine

    _check(model, config)
    return LmdeployEngine(model, config, limits, logs, say)


def _check(model: str, config: LmdeployConfig) -> None:
    if (fault := installation_fault()) is not None:
        raise SetupError(
            f"{fault}; {install('lmdeploy')}, name endpoints with --server, or take --engine transformers"
        )
    groups_here(config.tp)
    locate(model)


def _suitability(_config: LmdeployConfig) -> Suitability:
    try:
        gpus = visible_gpus()
    except SetupError as error:
        return Suitability(False, str(error))
    if not gpus:
        return Suitability(False, "no server is given and this machine shows no GPU")
    found = f"{len(gpus)} x {gpus[0].name}"
    fault = installation_fault()
    return Suitability(True, found) if fault is None else Suitability(False, f"{found}, but {fault}")


def _findings(examined: Examined, config: LmdeployConfig) -> Iterator[Finding]:
    facts = examined.facts
    if facts is not None and facts.needs_own_code and not config.trust_remote_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} brings code of its own; lmdeploy won't run it",
            "set captioning.lmdeploy.trust_remote_code=true if you trust it, or take a model ending in -hf",
        )  # fmt: skip
    if (fault := installation_fault()) is not None:
        yield Finding("lmdeploy version", "failed", fault, f"install the tested one: {install('lmdeploy')}")
    try:
        groups = gpu_groups(visible_gpus(), config.tp)
    except SetupError as error:
        yield Finding("gpu memory", "failed", str(error))
        return
    if facts is not None:
        yield _memory(config, facts, groups)


def _memory(config: LmdeployConfig, facts: ModelFacts, groups: Sequence[tuple[Gpu, ...]]) -> Finding:
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
        tokens = (free - needed) * config.cache_share / facts.cache_bytes_per_token
        found += f"; room for keys and values of {tokens:,.0f} tokens"
    return Finding("gpu memory", "ok", found)


def _context(config: LmdeployConfig) -> tuple[str, int] | None:
    limit = config.session_len
    return None if limit is None else ("captioning.lmdeploy.session_len", limit)


SPEC = EngineSpec(
    name="lmdeploy",
    config=LmdeployConfig,
    open=_open,
    check=_check,
    suitability=_suitability,
    holds_form=True,
    findings=_findings,
    context=_context,
    fingerprint=lambda config: {"extra_args": " ".join(config.extra_args)} if config.extra_args else {},
)
