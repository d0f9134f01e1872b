"""Chooses, checks and opens the engine that a config names, or the one that suits this machine.

Comes in: a CaptioningConfig, and the engine that a run was begun with. Goes out: the name of an engine and
why it was chosen; the open engine, or within seconds the reason why it can't be opened. Not its job: the list
of engines (see engine_table).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import Engine
from triptych.captioning.engine_table import AUTO, ENGINES
from triptych.captioning.engines.server_spec import SPEC as SERVER
from triptych.errors import UsageError
from triptych.executors.processes import allow_open_files
from triptych.jobs import Job
from triptych.runs.folder import Setting

C = TypeVar("C", bound=CaptioningConfig)


def choose_engine(config: C, begun_with: Setting = None) -> tuple[C, str]:
    """``config`` with an engine in place of auto, and why it was chosen; no reason if it was named.

    ``begun_with`` is the engine that made the run's captions so far: auto stays with it.
    """
    if config.engine != AUTO:
        return config, ""
    engine, why = _suitable(config, begun_with)
    return msgspec.structs.replace(config, engine=engine), f"auto: {why}"


def _suitable(config: CaptioningConfig, begun_with: Setting) -> tuple[str, str]:
    if config.server.urls:
        return SERVER.name, "servers are given"
    if isinstance(begun_with, str) and begun_with in ENGINES and begun_with != SERVER.name:
        return begun_with, "this run was begun with it"
    why = ""
    for name, spec in ENGINES.items():
        if spec.suitability is not None:
            found = spec.suitability(config.settings_of(spec))
            why = found.why or why
            if found.suits:
                return name, why
    raise AssertionError("one engine suits every machine")


def open_engine(config: CaptioningConfig, logs: Path, say: Callable[[str], None]) -> Engine:
    """Load, connect or start the chosen engine. Raises SetupError if that fails.

    ``logs`` is the folder for logs of servers that are started; ``say`` gets messages for the user.
    """
    allow_open_files()
    spec = config.spec
    return spec.open(_model(config), config.settings_of(spec), config.limits, logs, say)


def check_engine(
    config: CaptioningConfig, jobs: Iterable[Job] = (), say: Callable[[str], None] = lambda _: None
) -> Mapping[str, str]:
    """Raise within seconds, without loading weights, what ``open_engine`` would raise; also if endpoints
    would refuse every request of ``jobs``. Returns the engine's identity, or nothing if that isn't known yet.

    For runs that have hours of other work before they caption, or captions to put aside. ``say`` gets
    messages on what was found.
    """
    spec = config.spec
    if spec.probe is None:
        spec.check(_model(config), config.settings_of(spec))
        return {}
    images = 2 if any(job.is_multi for job in jobs) else 1
    return spec.probe(_model(config), config.settings_of(spec), images, say)


def check_forms(config: CaptioningConfig, jobs: Iterable[Job]) -> None:
    """Raise UsageError if one of ``jobs`` has structured answers, which the engine doesn't support."""
    able = [name for name, spec in ENGINES.items() if spec.holds_form]
    for job in jobs:
        if job.structured and not config.spec.holds_form:
            raise UsageError(
                f"jobs.{job.name}.structured is set, but --engine {config.engine} can't hold a model to a"
                f" form; take --engine {' or '.join(able)}, or leave it out",
                key=f"jobs.{job.name}.structured",
            )


def _model(config: CaptioningConfig) -> str:
    if config.lacks_model:
        raise UsageError(
            "captioning needs a model; name a folder or a hub id with --model", key="captioning.model"
        )
    return config.model or ""
