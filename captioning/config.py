"""What can be set about captioning, and what of it a caption depends on.

Comes in: a table of a config file, or keywords. Goes out: one checked, frozen CaptioningConfig, how
many targets a job has, and the settings that the run folder compares (see fingerprint). Not its job:
reading files or reaching endpoints to see whether they are there.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec

from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import UsageError
from triptych.jobs import Job

EngineName = Literal["auto", "lmdeploy", "transformers", "server"]
ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class CaptioningConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of which model. Raises UsageError where a value can't be."""

    engine: EngineName = "auto"
    """Who runs the model: lmdeploy on this machine's GPUs, started by Triptych; this process itself; or
    endpoints. auto: endpoints where servers are given, lmdeploy where there is a GPU, else this process."""
    model: str | None = None
    """A Hugging Face folder or a hub id; for servers the served name (None: the only one served)."""
    servers: tuple[str, ...] = ()
    """Base URLs of OpenAI-compatible endpoints that serve the same model, with or without /v1."""
    api_key_env: str | None = None
    """Name of the environment variable with the endpoints' key; the key itself is never written down."""
    jobs: tuple[str, ...] = ()
    """The jobs to do, by name. None named: all that are defined (see jobs.Job)."""
    sample: int | None = None
    """At most that many captions of every job, to read before spending GPU days; kept when it grows."""
    tile_fit: bool = True
    """Resize each image to the model's tile grid. false, for models without tiles: max_side_px bounds it."""
    max_side_px: int = 1540
    """Without tile_fit: an image's longer side at most, shared by a set's images as tiles are. A square
    has no more pixels than twelve InternVL tiles; a multiple of 28, the patch of models without tiles."""
    tile_px: int = 448
    """Side of the model's square tile in pixels. InternVL: 448."""
    max_tiles: int = 12
    """Tiles of one image at most; each of a set of n gets max_tiles // n, at least one. InternVL: 12."""
    max_tokens_single: int = 512
    """Caption of an image: tokens at most. The seed's average about 150."""
    max_tokens_multi: int = 1024
    """Caption of a set: tokens at most. The seed's are about twice as long as those of an image."""
    sampling: dict[str, JobSampling] = {}
    """How tokens are chosen, by job; greedy where nothing is said."""
    batch_size: int = 16
    """transformers: captions generated together. Rounding depends on it, so it can't change within a run."""
    device: str = "auto"
    """transformers: auto, cpu, cuda or cuda:N. auto takes a GPU where there is one."""
    max_in_flight: int = 64
    """server: requests in flight per endpoint. An lmdeploy server accepts more than it can hold."""
    timeout_s: float = 1800.0
    """server: how long one answer may take in all."""
    first_token_timeout_s: float = 600.0
    """server: how long an answer may take to begin, its time in the server's queue included."""
    token_timeout_s: float = 120.0
    """server: how long an answer that has begun may pause."""
    max_attempts: int = 4
    """server: how often a request may fail before its failure is recorded. Times when the server said
    that it could not take any don't count."""
    patience_s: float = 900.0
    """server: how long requests wait while no endpoint answers, before the run stops."""
    ask_again: int = 2
    """How often a caption that is plainly unusable is asked again, with other sampling. 0: never."""
    max_request_mib: int = 1024
    """Fitted images that are in flight or wait for it, at most, in MiB of this process's memory."""
    lmdeploy: LmdeployConfig = LmdeployConfig()
    """lmdeploy: the servers that Triptych starts."""
    retry_failed: bool = False
    """Ask again for captions whose failure an earlier run recorded; without it they stay failures."""

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            _check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        _check(self.sample is None or self.sample >= 1, "sample", self.sample, "1 or more")
        for name in ("timeout_s", "first_token_timeout_s", "token_timeout_s", "patience_s"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "more than 0 seconds")
        _check(self.ask_again >= 0, "ask_again", self.ask_again, "0 or more")
        _check(len(set(self.jobs)) == len(self.jobs), "jobs", self.jobs, "each job once")
        _check(_DEVICE.fullmatch(self.device) is not None, "device", self.device, "auto, cpu, cuda or cuda:N")
        for url in self.servers:
            _check(
                url.startswith(("http://", "https://")), "servers", url, "http://HOST:PORT/v1 or https://..."
            )
        if self.engine == "server" and not self.servers:
            raise UsageError("captioning.engine is server, but no endpoint is given; add --server URL")
        if self.engine in ("transformers", "lmdeploy") and self.servers:
            raise UsageError(
                f"captioning.engine is {self.engine}, but servers are given ({self.servers[0]});"
                " leave out one of the two"
            )

    def max_tokens(self, job: Job) -> int:
        """How many tokens a caption of ``job`` has at most."""
        own = self.sampling_of(job).max_tokens
        return own or (self.max_tokens_multi if job.is_multi else self.max_tokens_single)

    def sampling_of(self, job: Job) -> JobSampling:
        """How the tokens of ``job``'s captions are chosen."""
        return self.sampling.get(job.name, JobSampling())


_AT_LEAST_ONE = (
    "max_side_px",
    "tile_px",
    "max_tiles",
    "max_tokens_single",
    "max_tokens_multi",
    "batch_size",
    "max_in_flight",
    "max_attempts",
    "max_request_mib",
)


def _check(ok: bool, name: str, found: object, expected: str) -> None:
    if not ok:
        raise UsageError(f"captioning.{name} is {found!r}; expected {expected}")
