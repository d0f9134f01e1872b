"""What can be set about endpoints and about a model in this process.

Comes in: the tables ``captioning.server`` and ``captioning.transformers`` of a config. Goes out: checked,
frozen Structs. Not its job: what becomes of them (see the specs and engines beside it).
"""

from __future__ import annotations

import re

import msgspec

from triptych.captioning.engines import check_setting

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints that serve the same model."""

    urls: tuple[str, ...] = ()
    """Their base URLs, with or without /v1."""
    api_key_env: str | None = None
    """Name of the environment variable with their key; the key itself is never written down."""

    def __post_init__(self) -> None:
        for url in self.urls:
            expected = "http://HOST:PORT/v1 or https://..."
            check_setting(url.startswith(("http://", "https://")), "server.urls", url, expected)


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
