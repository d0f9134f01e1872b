"""The engine for OpenAI-compatible endpoints: lmdeploy's server, or any other.

Comes in: requests, from any number of threads. Goes out: completions, from one or many endpoints that serve
one model. All requests run in one event loop in a thread of its own. Transient errors are retried after a
growing, jittered pause; a request that is refused, or keeps failing, becomes a recorded failure; while no
endpoint answers, requests wait. Not its job: starting servers, judging texts (see regenerate).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from triptych.captioning.endpoints.backoff import FIRST_PAUSE_S, pause_s
from triptych.captioning.endpoints.chat_api import ChatAnswer
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, TimeLimits
from triptych.captioning.endpoints.load_balancer import AllEndpointsDown, LoadBalancer
from triptych.captioning.endpoints.model_client import TRIAL_PX, ModelClient, no_text, trial_request
from triptych.captioning.endpoints.request_errors import (
    NotNow,
    Refused,
    TooLong,
    Transient,
    Unreachable,
)
from triptych.captioning.endpoints.secrets import headers_to_send
from triptych.captioning.endpoints.served_models import check_late, find_model
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import DEFAULT_LIMITS, RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError

WAITING_SHARE = 1 / 8
"""Requests that wait for a slot, as a share of the slots, so that a free one is taken at once."""

CONCURRENT_AT_ONE_ENDPOINT = 16
"""Requests in flight for ``caption_at``, besides others: a server that mixes up requests does so under
load."""

T = TypeVar("T")


class ServerEngine:
    """One model behind one or many endpoints. Thread-safe."""

    def __init__(
        self,
        config: ServerConfig,
        model: str = "",
        limits: RequestLimits = DEFAULT_LIMITS,
        say: Callable[[str], None] = lambda _: None,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """Connect to the endpoints. ``model`` is a served name; empty: the only one that they serve. ``say``
        takes messages to the user. Raises SetupError where none is available, or one is misconfigured."""
        self._max_attempts = limits.max_attempts
        self._patience_s = limits.patience_s
        self._first_pause_s = first_pause_s
        self._time_limits = TimeLimits(
            first_token_s=limits.first_token_timeout_s,
            token_s=limits.token_timeout_s,
            total_s=limits.timeout_s,
        )
        endpoints = [
            Endpoint(url, limits.max_in_flight, first_pause_s, config.extra_body) for url in config.urls
        ]
        self.endpoints = list({endpoint.url: endpoint for endpoint in endpoints}.values())
        self._slots = limits.max_in_flight * len(self.endpoints)
        self._say = say
        self._http: HttpClient | None = None
        self._last_error: Transient | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoints", daemon=True)
        self._thread.start()
        try:
            self._in_loop(self._connect(config, model))
        except BaseException:
            ServerEngine.close(self)
            raise

    @property
    def group_size(self) -> int:
        return 1

    @property
    def concurrency(self) -> int:
        return self._slots + max(1, int(self._slots * WAITING_SHARE))

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def identity(self) -> Mapping[str, str]:
        return {"served_model": self._client.model}

    def describe(self) -> str:
        where = ", ".join(endpoint.url for endpoint in self.endpoints[:3])
        more = f" and {len(self.endpoints) - 3} more" if len(self.endpoints) > 3 else ""
        absent = f"; for now without those that are unavailable: {'; '.join(self._absent)}"
        return f"server, {self._client.model} at {where}{more}{absent if self._absent else ''}"

    def slot_s(self) -> float:
        return self._balancer.meter.slot_s()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return self._in_loop(self._caption_all(requests))

    def caption_at(self, endpoint: Endpoint, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """Ask only this endpoint, without retries: the first request alone, then the others together. Without
        an answer, a completion is a failure. Raises SetupError where it refuses images, or as many of
        them."""
        return self._in_loop(self._caption_at(endpoint, requests))

    async def _caption_at(self, endpoint: Endpoint, requests: Sequence[CaptionRequest]) -> list[Completion]:
        at_once = asyncio.Semaphore(min(CONCURRENT_AT_ONE_ENDPOINT, endpoint.limit.limit))

        async def ask(request: CaptionRequest) -> Completion:
            tries = _Tries()
            tries.endpoint, tries.sent = endpoint, 1
            async with at_once:
                try:
                    return self._completion(request, tries, await self._client.ask(endpoint, request))
                except (Refused, Transient) as error:
                    return Completion(id=request.id, failure=f"no answer: {error}")

        first = await ask(requests[0])
        if first.failure is not None:
            return [msgspec.structs.replace(first, id=request.id) for request in requests]
        return [first, *await asyncio.gather(*map(ask, requests[1:]))]

    def close(self) -> None:
        """Cancel requests in flight and close the connections."""
        if self._loop.is_running():
            self._in_loop(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _connect(self, config: ServerConfig, model: str) -> None:
        headers, secrets = headers_to_send(config.api_key_env, config.headers)
        self._balancer = LoadBalancer(self.endpoints, self._patience_s, self._loop)
        urls = [endpoint.url for endpoint in self.endpoints]
        ca_file = None if config.ca_file is None else Path(config.ca_file).expanduser()
        http = self._http = HttpClient(urls, headers, secrets, ca_file)
        self._client = ModelClient(http, self._time_limits, self._say)
        self._absent = await find_model(http, self._client, self.endpoints, model or None)

    def probe(self, image_count: int = 1, side_px: int = TRIAL_PX) -> list[ChatAnswer]:
        """The answers of all available endpoints to a request with generated images. Raises SetupError where
        one refuses it."""
        return self._in_loop(self._probe(image_count, side_px))

    async def _probe(self, image_count: int, side_px: int) -> list[ChatAnswer]:
        available = [endpoint for endpoint in self.endpoints if endpoint.is_well]
        request = trial_request(image_count, side_px)
        try:
            return [await self._client.checked_trial(endpoint, request) for endpoint in available]
        except Transient as error:
            raise SetupError(f"{error}; wait until it is ready, or name another with --server") from None

    def cancel_all(self) -> None:
        """Cancel requests that are in flight or wait: callers of ``caption`` get a CancelledError."""
        self._in_loop(self._cancel_all())

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _close(self) -> None:
        await self._cancel_all()
        if self._http is not None:
            await self._http.close()

    async def _caption_all(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return await asyncio.gather(*map(self._caption, requests))

    async def _caption(self, request: CaptionRequest) -> Completion:
        tries = _Tries()
        while True:
            if tries.errors:
                jittered_s = pause_s(tries.errors, self._first_pause_s)
                await asyncio.sleep(jittered_s + self._balancer.retry_after_left_s)
            try:
                answer = await self._ask(request, tries)
            except AllEndpointsDown:
                raise SetupError(self._all_down()) from None
            except Refused as refusal:
                kind = "too long" if isinstance(refusal, TooLong) else "refused"
                return Completion(id=request.id, attempts=tries.sent, failure=f"{kind}: {refusal}")
            except Transient as error:
                tries.add(error)
                impatient = isinstance(error, NotNow) and tries.took_s >= self._patience_s
                if impatient and self._balancer.is_down:
                    raise SetupError(self._all_down()) from None
                if impatient or tries.attempts >= self._max_attempts:
                    return Completion(id=request.id, attempts=tries.sent, failure=f"no answer: {error}")
            else:
                return self._completion(request, tries, answer)

    def _completion(self, request: CaptionRequest, tries: _Tries, answer: ChatAnswer) -> Completion:
        """An answer that is reasoning only is a failure; one that is empty may be requested again."""
        if answer.has_reasoning and not answer.text.strip():
            return Completion(id=request.id, attempts=tries.sent, failure=f"empty: {no_text(answer)}")
        was_cut = answer.completion_tokens >= request.max_tokens
        return Completion(
            id=request.id,
            text=answer.text,
            finish_reason=answer.finish_reason or ("length" if was_cut else "stop"),
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            attempts=tries.sent,
            first_tokens=answer.first_tokens,
            endpoint=tries.endpoint.name if tries.endpoint is not None else "",
        )

    async def _ask(self, request: CaptionRequest, tries: _Tries) -> ChatAnswer:
        """Make one attempt, and tell its endpoint how it ended."""
        waiting_since = time.monotonic()
        endpoint = tries.endpoint = await self._balancer.acquire(tries.errors_at)
        began = time.monotonic()
        tries.sent += 1
        tries.waited_s += began - waiting_since
        try:
            if not endpoint.is_well and self._http is not None:
                await check_late(self._http, self._client, endpoint)
            answer = await self._client.ask(endpoint, request)
        except Refused:
            endpoint.answered(time.monotonic() - began)
            raise
        except Transient as error:
            self._last_error = error
            tries.errors_at[endpoint] += 1
            tries.sent -= isinstance(error, Unreachable)
            endpoint.failed(error)
            if not endpoint.is_well:
                waits = f"asked again for up to {self._patience_s:g} s if no other answers"
                self._client.say_once(endpoint, f"{endpoint.name} rests", f"{error}; {waits}")
            raise
        else:
            endpoint.answered(time.monotonic() - began)
            return answer
        finally:
            self._balancer.release(endpoint)

    def _all_down(self) -> str:
        where = self.endpoints[0].url if len(self.endpoints) == 1 else f"{len(self.endpoints)} endpoints"
        last = f" (the last error: {self._last_error})" if self._last_error is not None else ""
        return (
            f"{where} gave no answer for {self._patience_s:g} s{last}; mend that, or start"
            f" {self._client.model} there again, and run the same command: captions so far stay"
        )


class _Tries:
    """The attempts at one request."""

    def __init__(self) -> None:
        self.sent = 0
        self.waited_s = 0.0
        self.attempts = 0
        self.errors_at: Counter[Endpoint] = Counter()
        self.endpoint: Endpoint | None = None
        """The one asked last."""
        self.errors = 0
        self._began = time.monotonic()

    def add(self, error: Transient) -> None:
        self.errors += 1
        self.attempts += error.counts_as_attempt

    @property
    def took_s(self) -> float:
        """The time since the first attempt, without that spent waiting for a slot."""
        return time.monotonic() - self._began - self.waited_s
