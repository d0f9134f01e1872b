"""EngineSpec: how an engine is configured, checked and opened, before it runs.

An engine is one file here: a Struct of settings, a class with the methods of ``Engine`` (see
captioning.engine), and an EngineSpec that names both. Heavy imports belong into the functions that need them.
The table of engines is captioning/engine_table.py. Not an engine's job: reading images, choosing targets,
writing journals (see scheduler).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.models.facts import ModelFacts
from triptych.errors import UsageError, expect_fields

C = TypeVar("C", bound=msgspec.Struct)


def check_setting(ok: bool, key: str, found: object, expected: str) -> None:
    """Raise UsageError for an invalid value of ``captioning.key``."""
    if not ok:
        key = f"captioning.{key}"
        raise UsageError(f"{key} is {found!r}; expected {expected}", key=key)


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits on requests to servers. Raises UsageError for an invalid value."""

    max_in_flight: int = 64
    """Requests in flight per endpoint. An lmdeploy server accepts more than it can handle."""
    timeout_s: float = 1800.0
    """How long one answer may take in total."""
    first_token_timeout_s: float = 600.0
    """How long an answer may take to begin, its time in the server's queue included."""
    token_timeout_s: float = 120.0
    """How long an answer that has begun may pause."""
    max_attempts: int = 4
    """How often a request may fail before its failure is recorded. Answers that the server takes no requests
    at the moment don't count."""
    patience_s: float = 900.0
    """How long requests wait while no endpoint answers, before the run stops."""

    def __post_init__(self) -> None:
        expect_fields(self, "captioning")
        for name in ("max_in_flight", "max_attempts"):
            check_setting(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("timeout_s", "first_token_timeout_s", "token_timeout_s", "patience_s"):
            check_setting(getattr(self, name) > 0, name, getattr(self, name), "more than 0 seconds")


DEFAULT_LIMITS = RequestLimits()


class Suitability(msgspec.Struct, frozen=True):
    """Whether ``auto`` may choose an engine on this machine, and why or why not, for a person."""

    suits: bool
    why: str


Level = Literal["ok", "note", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check. ``note`` limits what can run; ``failed`` means that nothing can."""

    name: str
    level: Level
    found: str
    advice: str = ""


class DoctorContext(msgspec.Struct, frozen=True, kw_only=True):
    """What ``triptych doctor`` knows when it asks an engine for findings."""

    model: str
    """Empty where none is named."""
    facts: ModelFacts | None
    """None where the model isn't on this machine."""
    tile_px: int


class EngineSpec(msgspec.Struct, Generic[C], frozen=True, kw_only=True):
    """One engine. ``model`` is the resolved one of the config; empty where none is named."""

    name: str
    """The value of ``captioning.engine`` and ``--engine``, and the name of the table with its settings."""
    config: type[C]
    """The Struct of its settings."""
    open: Callable[[str, C, RequestLimits, Path, Callable[[str], None]], Engine]
    """Load, connect or start: ``open(model, config, limits, logs, say)``. ``logs`` is a folder for the logs
    of servers that it starts, ``say`` takes messages to the user. Raises SetupError where that fails."""
    check: Callable[[str, C], None]
    """Raise within seconds what ``open`` would raise, without loading weights."""
    probe: Callable[[str, C, int, Callable[[str], None]], Mapping[str, str]] | None = None
    """``probe(model, config, images, say)``: request a short caption of one image, and of up to ``images``,
    and report the result. Raises SetupError where that fails. None: ``check`` is enough."""
    suitability: Callable[[C], Suitability] | None = None
    """Whether ``auto`` may choose it here. None: never."""
    needs_model: bool = True
    """Whether ``model`` has to be named, and to be on this machine or downloadable from a hub."""
    holds_form: bool = False
    """Whether it supports structured output (see structured)."""
    fingerprint: Callable[[C], Mapping[str, str | int | float | bool | None]] = lambda _: {}
    """The settings that a caption's text depends on: they can't change within a run."""
    findings: Callable[[DoctorContext, C], Iterable[Finding]] = lambda *_: ()
    """Its checks for ``triptych doctor``."""
    context: Callable[[C], tuple[str, int] | None] = lambda _: None
    """The config key and value of a setting that limits a request's tokens; None: only the model does."""
