"""The table of engines.

Comes in: the name of an engine in a config. Goes out: its EngineSpec. A user's own engine needs no line here:
``MODULE:OBJECT`` names an EngineSpec in any module that Python can import.
"""

from __future__ import annotations

import importlib
from typing import Any

from triptych.captioning.engines import EngineSpec, server_spec, transformers_spec
from triptych.captioning.lmdeploy import spec as lmdeploy_spec
from triptych.errors import UsageError, did_you_mean

AUTO = "auto"
"""Chooses the first engine in the table that suits the config and this machine."""

ENGINES: dict[str, EngineSpec[Any]] = {
    spec.name: spec for spec in (server_spec.SPEC, lmdeploy_spec.SPEC, transformers_spec.SPEC)
}
"""In the order in which ``auto`` tries them."""


def engine_spec(name: str) -> EngineSpec[Any]:
    """The engine called ``name``. Raises UsageError if there is none."""
    if name in ENGINES:
        return ENGINES[name]
    if ":" not in name:
        raise unknown_engine(name)
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's module may raise anything, and a script may exit
        raise UsageError(
            f"captioning.engine {name} can't be loaded ({type(error).__name__}: {error}); expected"
            " MODULE:OBJECT, an EngineSpec in a module that is installed or in a folder of PYTHONPATH",
            key="captioning.engine",
        ) from error
    if not isinstance(found, EngineSpec):
        raise UsageError(
            f"captioning.engine {name} is a {type(found).__name__}, expected an EngineSpec",
            key="captioning.engine",
        )
    return found


def unknown_engine(name: str) -> UsageError:
    """The error for an engine that doesn't exist."""
    names = [AUTO, *ENGINES]
    return UsageError(
        f"captioning.engine is {name!r}{did_you_mean(name, names)};"
        f" expected {', '.join(names)}, or MODULE:OBJECT of your own",
        key="captioning.engine",
    )
