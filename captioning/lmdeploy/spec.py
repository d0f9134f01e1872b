"""The EngineSpec ``lmdeploy``: how servers of this machine are chosen, checked and started.

lmdeploy isn't imported: its version comes from its metadata, GPUs from nvidia-smi. Not its job: starting
servers (see engine).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from triptych.captioning.engine import Engine
from triptych.captioning.engines import DoctorContext, EngineSpec, Finding, RequestLimits, Suitability
from triptych.captioning.lmdeploy.command import gpu_groups, groups_here
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.captioning.models.facts import ModelFacts
from triptych.captioning.models.location import locate
from triptych.errors import SetupError
from triptych.extras import install_command

VERSIONS = ("0.18",)
"""Those that Triptych is tested with."""

MARGIN_BYTES_PER_GPU = 3 * 1024**3
"""For the CUDA context, the vision tower's activations and fragmentation. A rule of thumb, not measured."""

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
            f"{fault}; {install_command('lmdeploy')}, name endpoints with --server, or use --engine"
            " transformers"
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


def _findings(context: DoctorContext, config: LmdeployConfig) -> Iterator[Finding]:
    facts = context.facts
    if facts is not None and facts.needs_own_code and not config.trust_remote_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} needs its own code; lmdeploy won't run it",
            "set captioning.lmdeploy.trust_remote_code=true if you trust it, or use a model ending in -hf",
        )  # fmt: skip
    if (fault := installation_fault()) is not None:
        yield Finding(
            "lmdeploy version", "failed", fault, f"install the tested one: {install_command('lmdeploy')}"
        )
    try:
        groups = gpu_groups(visible_gpus(), config.tp)
    except SetupError as error:
        yield Finding("gpu memory", "failed", str(error))
        return
    if facts is not None:
        yield _memory(config, facts, groups)


def _memory(config: LmdeployConfig, facts: ModelFacts, groups: Sequence[tuple[Gpu, ...]]) -> Finding:
    """Whether weights and margin fit into the group with the least memory; the rest is for the cache."""
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
