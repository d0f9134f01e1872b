"""What can be set about endpoints and about a model in this process.

Comes in: the tables ``captioning.server`` and ``captioning.transformers`` of a config. Goes out: checked,
frozen Structs. Not its job: what becomes of them (see the specs and engines beside it).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec

from triptych.captioning.engines import check_setting

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


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


class TransformersConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model in this process. Raises UsageError where a value can't be."""

    batch_size: int = 16
    """Captions generated together. Rounding depends on it, so it can't change within a run."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto takes a GPU where there is one."""

    def __post_init__(self) -> None:
        check_setting(self.batch_size >= 1, "transformers.batch_size", self.batch_size, "1 or more")
        is_device = _DEVICE.fullmatch(self.device) is not None
        check_setting(is_device, "transformers.device", self.device, "auto, cpu, cuda or cuda:N")
