"""Settings of the lmdeploy servers that Triptych starts.

Comes in: the table ``captioning.lmdeploy`` of a config file. Goes out: a checked, frozen LmdeployConfig. Not
its job: lmdeploy's own names for these settings (see command).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from triptych.captioning.engines import check_setting
from triptych.errors import expect_fields

Backend = Literal["turbomind", "pytorch"]
LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]


class LmdeployConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers of this machine. Raises UsageError for an invalid value."""

    backend: Backend = "turbomind"
    """lmdeploy's engine. lmdeploy falls back to pytorch for a model that turbomind can't run."""
    tp: int = 1
    """GPUs that share one model (tensor parallelism). Each group of so many GPUs gets a server."""
    session_len: int | None = None
    """Maximum tokens of prompt, images and caption together; None: the model's own limit."""
    cache_share: float = 0.8
    """Share of the memory left free by the weights that the key-value cache takes. lmdeploy's default."""
    max_batch: int | None = None
    """Captions that one server works on at a time; None: lmdeploy's choice, 128 to 1024 by the GPU."""
    port: int | None = None
    """The first server's port, counted up for the next ones; None: free ones."""
    log_level: LogLevel = "WARNING"
    """Of the servers' logs, which are in the run folder."""
    trust_remote_code: bool = False
    """Run code from the model's folder, which the original InternVL releases need."""
    extra_args: tuple[str, ...] = ()
    """Further arguments of `lmdeploy serve api_server`, such as ["--quant-policy", "8"]."""
    startup_timeout_s: float = 1800.0
    """How long a server may take to start: 150 GB of weights from a network disk."""
    hang_timeout_s: float = 180.0
    """A server with requests in flight that sends no byte for so long is restarted. lmdeploy itself reports a
    hang after 90 s, if it can."""
    max_deaths: int = 5
    """A server that dies this often without a caption in between ends the run."""

    def __post_init__(self) -> None:
        expect_fields(self, "captioning.lmdeploy")
        for name in ("tp", "max_deaths"):
            self._check(getattr(self, name) >= 1, name, "1 or more")
        for name in ("session_len", "max_batch", "port"):
            value = getattr(self, name)
            self._check(value is None or value >= 1, name, "1 or more")
        self._check(self.tp & (self.tp - 1) == 0, "tp", "a power of two, as lmdeploy does")
        self._check(0 < self.cache_share < 1, "cache_share", "more than 0, less than 1")
        for name in ("startup_timeout_s", "hang_timeout_s"):
            self._check(getattr(self, name) > 0, name, "more than 0 seconds")

    def _check(self, ok: bool, name: str, expected: str) -> None:
        check_setting(ok, f"lmdeploy.{name}", getattr(self, name), expected)
