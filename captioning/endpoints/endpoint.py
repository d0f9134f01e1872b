"""Endpoints of one model: found, checked, and each with what it has in flight and how it is doing.

Comes in: URLs as a user writes them. Goes out: endpoints, at least one of which answered and serves the
model, or a SetupError of one line. Not its job: captions (see engines.openai_server), who gets a
request (see load_balancer).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec

from triptych.captioning.endpoints.backoff import FIRST_PAUSE_S, ConcurrencyLimit, pause_s
from triptych.captioning.endpoints.request_errors import Transient, Unreachable
from triptych.errors import SetupError

CHECK_CONNECT_TIMEOUT_S = 5.0
CHECKED_AT_ONCE = 16
CHECK_TIMEOUT_S = 15.0
"""A loaded server may be slow to list its models, but it does."""

ERRORS_BEFORE_REST = 5
"""So many errors in a row without an answer between: the endpoint itself isn't well."""


class Endpoint:
    """One server. What a supervisor reads and sets is safe from any thread."""

    def __init__(self, url: str, max_in_flight: int, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self.url = with_version(url)
        self.in_flight = 0
        """Requests that it has now."""
        self.last_sign_at = time.monotonic()
        """When the last byte came from it, by the monotonic clock."""
        self.limit = ConcurrencyLimit(max_in_flight)
        self.mean_latency_s = 0.0
        """Of its answers, the newest counting most; 0 before the first."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after ``rest`` and ``wake``."""
        self._first_pause_s = first_pause_s
        self._rests_until = 0.0
        self._rests_in_a_row = 0
        self._errors_in_a_row = 0
        self._restarts = False

    def rest(self, pause_s: float) -> None:
        """It is down: no new requests for so long, then one, then gradually more. From any thread."""
        self._rests_until = time.monotonic() + pause_s
        self._restarts = True
        self.on_change()

    def wake(self) -> None:
        """It is up again: an end to its rest. From any thread."""
        self._rests_until = 0.0
        self._rests_in_a_row = 0
        self.on_change()

    @property
    def rests_for_s(self) -> float:
        """How long it still gets no request; 0: it may have one."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def is_well(self) -> bool:
        """Whether it has answered since it last rested."""
        return self._rests_in_a_row == 0 and self.rests_for_s == 0.0

    @property
    def has_free_slot(self) -> bool:
        """Whether it may have one more request. For the event loop's thread."""
        if self._restarts:
            self._restarts = False
            self.limit.restart()
        return self.in_flight < self.limit.limit and self.rests_for_s == 0.0

    def answered(self, took_s: float) -> None:
        """It served a request, if only with a refusal."""
        self._errors_in_a_row = self._rests_in_a_row = 0
        weight = 0.1 if self.mean_latency_s else 1.0
        self.mean_latency_s += weight * (took_s - self.mean_latency_s)
        self.limit.ended(overloaded=False)

    def failed(self, error: Transient) -> None:
        """A request failed there. It rests where it isn't well and that happened too often in a row: longer
        each time, jittered, or as long as it asked for."""
        self.limit.ended(overloaded=error.is_overload)
        if not error.is_of_endpoint:
            return
        self._errors_in_a_row += 1
        if self.rests_for_s > 0.0:
            return
        is_gone = isinstance(error, Unreachable)
        if is_gone or self._errors_in_a_row >= ERRORS_BEFORE_REST or self._rests_in_a_row:
            self._rests_in_a_row += 1
            self.rest(max(error.retry_after_s, pause_s(self._rests_in_a_row, self._first_pause_s)))


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


class _NotThereError(SetupError):
    """Nobody listens, or it doesn't list its models at the moment."""


def with_version(url: str) -> str:
    """The base URL with its version: ``http://host:23333`` becomes ``http://host:23333/v1``."""
    bare = url.rstrip("/")
    return bare if bare.rpartition("/")[2].startswith("v") and bare.count("/") > 2 else f"{bare}/v1"


def check_endpoints(
    endpoints: Sequence[Endpoint], model: str | None, api_key: str | None
) -> tuple[str, list[str]]:
    """The name of the model that all serve, and in words which endpoints aren't there: those rest.

    Raises SetupError where none is there, or one refuses the key or doesn't serve ``model``; with
    ``model`` None where the first that answers serves more than one.
    """
    absent: list[SetupError] = []
    with ThreadPoolExecutor(CHECKED_AT_ONCE) as pool:
        answers = list(pool.map(lambda endpoint: _ask_models(endpoint.url, api_key), endpoints))
    for endpoint, served in zip(endpoints, answers, strict=True):
        if isinstance(served, _NotThereError):
            absent.append(served)
            endpoint.failed(Unreachable(str(served)))
        elif model is None:
            if len(served) != 1:
                raise SetupError(
                    f"{endpoint.url} serves {len(served)} models ({', '.join(served)});"
                    " name one of them with --model"
                )
            model = served[0]
        elif model not in served:
            raise SetupError(
                f"{endpoint.url} serves {', '.join(served) or 'nothing'}, not {model};"
                " name a served model with --model, or another endpoint with --server"
            )
    if len(absent) == len(endpoints) or model is None:
        raise absent[0]
    return model, [str(error).partition(";")[0] for error in absent]


def _ask_models(url: str, api_key: str | None) -> list[str] | _NotThereError:
    try:
        return list_models(url, api_key)
    except _NotThereError as error:
        return error


def list_models(url: str, api_key: str | None) -> list[str]:
    """What an endpoint serves. Raises SetupError where it doesn't say."""
    try:
        answer = httpx.get(
            f"{url}/models",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(CHECK_TIMEOUT_S, connect=CHECK_CONNECT_TIMEOUT_S),
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise _NotThereError(
            f"endpoint {url} can't be reached ({type(error).__name__}: {error});"
            " start the server or name another with --server"
        ) from None
    if answer.status_code in (401, 403):
        raise SetupError(
            f"endpoint {url} refuses access (HTTP {answer.status_code});"
            " name the environment variable of its key in captioning.server.api_key_env"
        )
    if answer.status_code >= 500:
        raise _NotThereError(
            f"endpoint {url} is not ready (HTTP {answer.status_code} for its models);"
            " wait until it is, or name another with --server"
        )
    try:
        if answer.status_code == 200:
            return [model.id for model in msgspec.json.decode(answer.content, type=_Models).data]
    except msgspec.MsgspecError:
        pass
    raise SetupError(
        f"endpoint {url} is not OpenAI-compatible: {url}/models answered"
        f" HTTP {answer.status_code} without a list of models; check the URL given with --server"
    )
