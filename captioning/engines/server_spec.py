"""OpenAI-compatible endpoints, as they are set and checked.

Comes in: the table ``captioning.server`` of a config. Goes out: a checked, frozen ServerConfig, and the
EngineSpec of the engine that asks them. Not its job: asking (see openai_server).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.engines import EngineSpec, Examined, check_setting
from triptych.errors import SetupError
from triptych.findings import Finding


class RequestLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How endpoints are asked, whoever started them. Raises UsageError where a value can't be."""

    table: ClassVar[str] = "server"
    """Of ``captioning``, in which these settings lie."""

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
            self._check(getattr(self, name) >= 1, name, "1 or more")
        for name in ("timeout_s", "first_token_timeout_s", "token_timeout_s", "patience_s"):
            self._check(getattr(self, name) > 0, name, "more than 0 seconds")

    def _check(self, ok: bool, name: str, expected: str) -> None:
        check_setting(ok, f"{self.table}.{name}", getattr(self, name), expected)


class ServerConfig(RequestLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints that serve the same model."""

    urls: tuple[str, ...] = ()
    """Their base URLs, with or without /v1."""
    api_key_env: str | None = None
    """Name of the environment variable with their key; the key itself is never written down."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for url in self.urls:
            expected = "http://HOST:PORT/v1 or https://..."
            check_setting(url.startswith(("http://", "https://")), "server.urls", url, expected)


def limits_of(config: RequestLimits) -> dict[str, Any]:
    """Only the limits, as keywords of another RequestLimits."""
    return {name: getattr(config, name) for name in RequestLimits.__struct_fields__}


def _open(model: str, config: ServerConfig, _logs: Path, _say: Callable[[str], None]) -> Engine:
    from triptych.captioning.engines.openai_server import ServerEngine

    return ServerEngine(config, model)


def _check(model: str, config: ServerConfig) -> None:
    from triptych.captioning.engines.openai_server import ServerEngine

    ServerEngine(config, model).close()


def _findings(examined: Examined, config: ServerConfig) -> Iterator[Finding]:
    from triptych.captioning.engines.endpoint_probe import try_endpoint

    for url in config.urls:
        try:
            answer = try_endpoint(config, url, examined.model, examined.tile_px)
        except SetupError as error:
            yield Finding("endpoint", "failed", str(error))
            continue
        yield Finding(
            "endpoint", "ok",
            f"{url} serves {answer.served_model}; an image, {answer.completion.prompt_tokens} tokens with its"
            f" prompt, came back as {answer.completion.completion_tokens} tokens in {answer.seconds:.1f} s",
        )  # fmt: skip


SPEC = EngineSpec(
    name="server",
    config=ServerConfig,
    open=_open,
    check=_check,
    needs_model=False,
    holds_form=True,
    findings=_findings,
)
