"""From a config to the engine that it names, or the one that suits this machine.

Comes in: a CaptioningConfig, and the engine that a run folder was begun with. Goes out: which engine and
why; that engine, ready, or in seconds the reason why there can be none. Not its job: what an engine does
(see engines).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import msgspec

from triptych.captioning.config import CaptioningConfig, EngineName
from triptych.captioning.engines import Engine
from triptych.captioning.lmdeploy.gpus import visible_gpus
from triptych.errors import SetupError, UsageError
from triptych.runs.folder import Setting

LMDEPLOY_VERSIONS = ("0.18",)
"""Whose command line and server Triptych is tested with."""


def choose_engine(config: CaptioningConfig, begun_with: Setting = None) -> tuple[CaptioningConfig, str]:
    """``config`` with an engine in place of auto, and why that one; no reason where it was named.

    ``begun_with`` is the engine that the run's captions so far were made with: auto goes on with it.
    """
    if config.engine != "auto":
        return config, ""
    engine, why = _suitable(config, begun_with)
    return msgspec.structs.replace(config, engine=engine), f"auto: {why}"


def _suitable(config: CaptioningConfig, begun_with: Setting) -> tuple[EngineName, str]:
    if config.servers:
        return "server", "servers are given"
    if begun_with == "lmdeploy":
        return "lmdeploy", "this run was begun with it"
    if begun_with == "transformers":
        return "transformers", "this run was begun with it"
    try:
        gpus = visible_gpus()
    except SetupError as error:
        return "transformers", str(error)
    if not gpus:
        return "transformers", "no server is given and this machine shows no GPU"
    fault = lmdeploy_fault()
    if fault is not None:
        return "transformers", f"{len(gpus)} x {gpus[0].name}, but {fault}"
    return "lmdeploy", f"{len(gpus)} x {gpus[0].name}"


def lmdeploy_fault() -> str | None:
    """What is wrong with the installed lmdeploy; None where it is a tested one."""
    version = None
    with contextlib.suppress(metadata.PackageNotFoundError):
        version = metadata.version("lmdeploy")
    if version is None:
        return "lmdeploy is not installed"
    if not version.startswith(tuple(f"{known}." for known in LMDEPLOY_VERSIONS)):
        return f"lmdeploy is {version}, and Triptych starts {', '.join(LMDEPLOY_VERSIONS)} only"
    return None


def open_engine(config: CaptioningConfig, logs: Path, say: Callable[[str], None]) -> Engine:
    """Load, connect or start the chosen engine. Raises SetupError where it can't be had.

    ``logs`` is the folder for the logs of servers that are started, ``say`` takes lines for a person.
    """
    match config.engine:
        case "server":
            from triptych.captioning.engines.openai_server import ServerEngine

            return ServerEngine(config)
        case "lmdeploy":
            from triptych.captioning.lmdeploy.engine import LmdeployEngine

            check_engine(config)
            return LmdeployEngine(config, logs, say)
        case "transformers":
            from triptych.captioning.engines.transformers import TransformersEngine

            return TransformersEngine(_model(config), batch_size=config.batch_size, device=config.device)
        case "auto":
            raise AssertionError("choose_engine comes first")


def check_engine(config: CaptioningConfig) -> None:
    """Raise in seconds what ``open_engine`` would raise, without loading any weights.

    For a run that has hours of other work to do before it captions.
    """
    from triptych.captioning.models.location import locate

    match config.engine:
        case "server":
            from triptych.captioning.engines.openai_server import ServerEngine

            ServerEngine(config).close()
        case "lmdeploy":
            from triptych.captioning.lmdeploy.command import gpu_groups

            if (fault := lmdeploy_fault()) is not None:
                raise SetupError(
                    f"{fault}; pip install 'triptych[lmdeploy]', name endpoints with --server,"
                    " or take --engine transformers"
                )
            gpu_groups(visible_gpus(), config.lmdeploy.tp)
            locate(_model(config))
        case "transformers":
            if config.model:
                locate(config.model)
        case "auto":
            raise AssertionError("choose_engine comes first")


def _model(config: CaptioningConfig) -> str:
    if not config.model:
        raise UsageError("captioning needs a model; name a folder or a hub id with --model")
    return config.model
