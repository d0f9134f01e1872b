"""The settings of captioning.

Comes in: a table of a config file, or keywords. Goes out: one validated, frozen CaptioningConfig; the engine
that it names, with that engine's own settings. Not its job: checking that files or endpoints exist.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from triptych.captioning.engine_table import AUTO, ENGINES, engine_spec, unknown_engine
from triptych.captioning.engines import EngineSpec, RequestLimits, check_setting
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.engines.server_spec import SPEC as SERVER
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import UsageError, expect_fields
from triptych.jobs import Job
from triptych.models import is_embedded, resolve_model


class CanaryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often engines are asked about pictures with known contents. Raises UsageError for invalid
    values."""

    every_s: float = 1800.0
    """The interval; the first canary is at the start of a command. 0: never."""

    def __post_init__(self) -> None:
        expect_fields(self, "captioning.canary")
        check_setting(self.every_s >= 0, "canary.every_s", self.every_s, "0 or more seconds")


class CaptioningConfig(RequestLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is asked, and how. Raises UsageError for invalid values."""

    engine: str = AUTO
    """What runs the model: lmdeploy on this machine's GPUs, started by Triptych; transformers in this
    process; server, which asks endpoints; or MODULE:OBJECT, an EngineSpec of your own. auto: endpoints if
    some are given, lmdeploy if there is a GPU, else transformers."""
    model: str | None = None
    """A Hugging Face folder or a hub id; for endpoints the served name (None: the only one served)."""
    server: ServerConfig = ServerConfig()
    """Endpoints."""
    lmdeploy: LmdeployConfig = LmdeployConfig()
    """Servers that Triptych starts."""
    transformers: TransformersConfig = TransformersConfig()
    """A model in this process."""
    own_engine: dict[str, Any] = msgspec.field(default_factory=dict)
    """Settings of an engine that MODULE:OBJECT names."""
    jobs: tuple[str, ...] = ()
    """The names of the jobs to do. Empty: all that are defined (see jobs.Job)."""
    sample: int | None = None
    """At most this many captions per job, to read before spending GPU days. Kept when it is raised."""
    tile_fit: bool = True
    """Resize each image to the model's tile grid. false, for models without tiles: bound it by
    max_side_px."""
    max_side_px: int = 1540
    """Without tile_fit: the maximum longer side of an image. Images of a set share its pixels, as they share
    tiles. A square has no more pixels than twelve InternVL tiles; 1540 is a multiple of 28, the patch of
    models without tiles."""
    tile_px: int = 448
    """Side of the model's square tile in pixels. InternVL: 448."""
    max_tiles: int = 12
    """Maximum tiles of an image; in a set of n images max_tiles // n, at least one. InternVL: 12."""
    max_tokens_single: int = 512
    """Maximum tokens of an image's caption. InternVL-SA-1B-Caption's have about 150 on average."""
    max_tokens_multi: int = 1024
    """Maximum tokens of a set's caption. InternVL-SA-1B-Caption's are about twice as long."""
    sampling: dict[str, JobSampling] = msgspec.field(default_factory=dict)
    """How tokens are chosen, by job. Greedy for jobs that aren't listed."""
    ask_again: int = 2
    """How often to ask again for a plainly unusable caption, with other sampling. 0: never."""
    samples: int = 1
    """Answers per request: the first by ``sampling``, the others drawn at random. The one that agrees most
    with the others is kept, with its agreement. Multiplies the tokens."""
    max_request_mib: int = 1024
    """Maximum MiB of resized images in this process, in flight or waiting."""
    canary: CanaryConfig = CanaryConfig()
    """Pictures with known contents that every engine is asked about from time to time."""
    retry_failed: bool = False
    """Ask again for captions that failed in an earlier run. Otherwise they stay failures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _AT_LEAST_ONE:
            check_setting(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        check_setting(self.sample is None or self.sample >= 1, "sample", self.sample, "1 or more")
        check_setting(self.ask_again >= 0, "ask_again", self.ask_again, "0 or more")
        check_setting(len(set(self.jobs)) == len(self.jobs), "jobs", self.jobs, "each job once")
        self._check_engine()

    def _check_engine(self) -> None:
        urls = self.server.urls
        if self.engine not in (AUTO, *ENGINES) and ":" not in self.engine:
            raise unknown_engine(self.engine)
        if self.engine == SERVER.name and not urls:
            raise UsageError(
                "captioning.engine is server, but no endpoint is given; add --server URL",
                key="captioning.server.urls",
            )
        if self.engine not in (AUTO, SERVER.name) and urls:
            raise UsageError(
                f"captioning.engine is {self.engine}, but servers are given ({urls[0]});"
                " leave out one of the two",
                key="captioning.engine",
            )
        if self.own_engine and ":" not in self.engine:
            raise UsageError(
                f"captioning.own_engine is set, but captioning.engine is {self.engine};"
                " expected MODULE:OBJECT",
                key="captioning.engine",
            )

    @property
    def lacks_model(self) -> bool:
        """Whether a model has to be named but isn't. Raises UsageError as ``spec`` does."""
        needs_one = not self.server.urls and (self.engine == AUTO or self.spec.needs_model)
        return needs_one and not self.model

    def resolved(self) -> Self:
        """The config with the folder of a model that ships with Triptych; without it if endpoints are given,
        which serve models of their own."""
        if not is_embedded(self.model):
            return self
        model = None if self.server.urls else resolve_model(self.model)
        return msgspec.structs.replace(self, model=model)

    @property
    def spec(self) -> EngineSpec[Any]:
        """The named engine. Raises UsageError if it can't be imported, or for auto."""
        return engine_spec(self.engine)

    def settings_of(self, spec: EngineSpec[Any]) -> Any:
        """The engine's own settings, a ``spec.config``. Raises UsageError for invalid values."""
        if ENGINES.get(spec.name) is spec:
            return getattr(self, spec.name)
        try:
            return msgspec.convert(self.own_engine, spec.config)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"captioning.own_engine, of {self.engine}: {error}", key="captioning.own_engine"
            ) from None

    @property
    def limits(self) -> RequestLimits:
        """Limits and timeouts of requests."""
        return RequestLimits(**{name: getattr(self, name) for name in RequestLimits.__struct_fields__})

    def max_tokens(self, job: Job) -> int:
        """The maximum tokens of a caption of ``job``."""
        own = self.sampling_of(job).max_tokens
        return own or (self.max_tokens_multi if job.is_multi else self.max_tokens_single)

    def sampling_of(self, job: Job) -> JobSampling:
        """The sampling of ``job``."""
        return self.sampling.get(job.name, JobSampling())


_AT_LEAST_ONE = (
    "max_side_px",
    "tile_px",
    "max_tiles",
    "max_tokens_single",
    "max_tokens_multi",
    "max_request_mib",
    "samples",
)
