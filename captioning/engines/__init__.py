"""What the rest of Triptych knows of an engine before it runs: an EngineSpec, and the settings of its own.

An engine is one file here: a Struct of settings, a class with the methods of ``Engine`` (see
captioning.engine), and an EngineSpec that names both. What is heavy is imported by the functions that need
it. The table of engines is captioning/engine_table.py. Not an engine's job: reading images, choosing targets,
writing journals (see scheduler).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.models.facts import ModelFacts
from triptych.errors import UsageError

C = TypeVar("C", bound=msgspec.Struct)


def check_setting(ok: bool, key: str, found: object, expected: str) -> None:
    """Raise UsageError where a value of ``captioning`` can't be."""
    if not ok:
        key = f"captioning.{key}"
        raise UsageError(f"{key} is {found!r}; expected {expected}", key=key)


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How servers are asked, whoever started them. Raises UsageError where a value can't be."""

    max_in_flight: int = 64
    """Requests in flight per endpoint. An lmdeploy server accepts more than it can hold."""
    timeout_s: float = 1800.0
    """How long one answer may take in total."""
    first_token_timeout_s: float = 600.0
    """How long an answer may take to begin, its time in the server's queue included."""
    token_timeout_s: float = 120.0
    """How long an answer that has begun may pause."""
    max_attempts: int = 4
    """How often a request may fail before its failure is recorded. Times when the server said that it could
    not take any don't count."""
    patience_s: float = 900.0
    """How long requests wait while no endpoint answers, before the run stops."""

    def __post_init__(self) -> None:
        for name in ("max_in_flight", "max_attempts"):
            check_setting(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("timeout_s", "first_token_timeout_s", "token_timeout_s", "patience_s"):
            check_setting(getattr(self, name) > 0, name, getattr(self, name), "more than 0 seconds")


DEFAULT_LIMITS = RequestLimits()


class Suitability(msgspec.Struct, frozen=True):
    """Whether ``auto`` may take an engine on this machine, and why or why not, for a person."""

    suits: bool
    why: str


Level = Literal["ok", "missing", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question. ``missing`` limits what can run; ``failed`` means that nothing can."""

    name: str
    level: Level
    found: str
    advice: str = ""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What doctor looked at before it asks the engine."""

    model: str
    """Empty where none is named."""
    facts: ModelFacts | None
    """None where the model isn't on this machine."""
    tile_px: int


class EngineSpec(msgspec.Struct, Generic[C], frozen=True, kw_only=True):
    """One engine. ``model`` is the config's, resolved; empty where none is named."""

    name: str
    """Of ``captioning.engine``, of ``--engine``, and of the table with its settings."""
    config: type[C]
    """The settings of its own."""
    open: Callable[[str, C, RequestLimits, Path, Callable[[str], None]], Engine]
    """Load, connect or start: ``open(model, config, limits, logs, say)``. ``logs`` is a folder for the logs
    of servers that are started, ``say`` takes lines for a person. Raises SetupError where it can't be had."""
    check: Callable[[str, C], None]
    """Raise in seconds what ``open`` would raise, without loading any weights."""
    probe: Callable[[str, C, int, Callable[[str], None]], Mapping[str, str]] | None = None
    """``probe(model, config, images, say)``: have one short caption made, and one of so many images, and say
    what was found. Raises SetupError where that can't be. None: what ``check`` says is enough."""
    suitability: Callable[[C], Suitability] | None = None
    """Whether ``auto`` may take it here. None: only where it is named."""
    needs_model: bool = True
    """Whether ``model`` has to be named, and to be on this machine or to be had from a hub."""
    holds_form: bool = False
    """Whether it can hold an answer to a form (see structured)."""
    fingerprint: Callable[[C], Mapping[str, str | int | float | bool | None]] = lambda _: {}
    """Of its settings those that a caption's text depends on: they can't change within a run."""
    findings: Callable[[Examined, C], Iterable[Finding]] = lambda *_: ()
    """What doctor says of it."""
    context: Callable[[C], tuple[str, int] | None] = lambda _: None
    """A setting of its own that bounds a request in tokens, by its config key; None: the model's alone."""
