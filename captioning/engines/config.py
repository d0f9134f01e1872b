"""Settings of the engines ``server`` and ``transformers``.

Comes in: the tables ``captioning.server`` and ``captioning.transformers`` of a config. Goes out: checked,
frozen Structs. Not its job: using them (see the specs and engines beside it).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from triptych.captioning.endpoints.base_url import base_url, is_showable
from triptych.captioning.endpoints.secrets import check_headers, secret_fields
from triptych.captioning.engines import check_setting
from triptych.errors import UsageError, expect_fields

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Endpoints that serve the same model."""

    urls: tuple[str, ...] = ()
    """Their base URLs, with or without /v1."""
    api_key_env: str | None = None
    """Name of the environment variable with their key; the key itself is never stored."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Further headers of every request. A secret is written as $VARIABLE, which is replaced from the
    environment when it is sent, and never stored."""
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict)
    """Fields that override those of every request, such as chat_template_kwargs; null removes a field."""
    ca_file: str | None = None
    """A PEM file of certificates to trust besides the system's."""

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid value, or one that would store a secret. Prints no secret."""
        expect_fields(self, "captioning.server")
        for number, url in enumerate(self.urls, start=1):
            try:
                base_url(url)
            except ValueError as error:
                key = "captioning.server.urls"
                named = repr(url) if is_showable(url) else f"number {number}"
                raise UsageError(
                    f"{key} is {named}; expected http://HOST:PORT/v1 or https://..., but {error}", key=key
                ) from None
        check_headers(self.headers)
        if self.api_key_env is not None and not _VARIABLE.fullmatch(self.api_key_env):
            raise UsageError(
                "captioning.server.api_key_env isn't a variable's name; expected the name of the environment"
                " variable that holds the key, never the key itself",
                key="captioning.server.api_key_env",
            )
        both = self.api_key_env is not None and "authorization" in map(str.lower, self.headers)
        check_setting(not both, "server.api_key_env", self.api_key_env, "none beside a header Authorization")
        taken = {"model", "messages", "n"} & self.extra_body.keys()
        check_setting(not taken, "server.extra_body", sorted(taken), "other fields: these are Triptych's own")
        secret = sorted(secret_fields(self.extra_body))
        expected = "no secret, which would be stored: put it into a header, or name a key's variable"
        check_setting(not secret, "server.extra_body", secret, expected)


class TransformersConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model in this process. Raises UsageError for an invalid value."""

    batch_size: int = 16
    """Captions generated together. Rounding depends on it, so it can't change within a run."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto takes a GPU where there is one."""

    def __post_init__(self) -> None:
        expect_fields(self, "captioning.transformers")
        check_setting(self.batch_size >= 1, "transformers.batch_size", self.batch_size, "1 or more")
        is_device = _DEVICE.fullmatch(self.device) is not None
        check_setting(is_device, "transformers.device", self.device, "auto, cpu, cuda or cuda:N")
