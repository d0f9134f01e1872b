"""The engine that asks OpenAI-compatible endpoints: lmdeploy's server, or any other.

Comes in: requests. Goes out: greedy completions, from one or many endpoints that serve one model, each
request sent to the endpoint with the fewest in flight. What may pass is tried again with growing,
jittered pauses; what is refused for good becomes a recorded failure at once. Thread-safe; bounded by
how many threads call it. Not its job: starting servers.
"""

from __future__ import annotations

import base64
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import httpx
import msgspec

from captioning.chat_answers import Refused, Transient, Unavailable, read_answer
from captioning.config import CaptioningConfig
from captioning.endpoints import Endpoint, connect, served_models
from captioning.engines import CaptionRequest, Completion
from captioning.prompts import message_parts
from corpus.errors import SetupError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Pauses before the 2nd, 3rd, ... attempt: doubled each time, then shortened by up to half at random."""

HOPELESS_STREAK = 20
"""So many requests failed one after the other without a single caption between: the fault isn't theirs."""


class ServerEngine:
    """One model behind one or many endpoints."""

    def __init__(self, config: CaptioningConfig, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        """Connect to every endpoint. Raises SetupError where one isn't there or doesn't serve the model."""
        self._max_attempts = config.max_attempts
        self._max_in_flight = config.max_in_flight
        self._timeout_s = config.timeout_s
        self._first_pause_s = first_pause_s
        self._endpoints, self._model = connect(
            config.servers, config.model or None, _api_key(config.api_key_env), config.timeout_s
        )
        self._lock = threading.Lock()
        self._failures_in_a_row = 0

    @property
    def group_size(self) -> int:
        return 1

    @property
    def concurrency(self) -> int:
        return self._max_in_flight * len(self._endpoints)

    @property
    def identity(self) -> Mapping[str, str]:
        return {"served_model": self._model}

    def describe(self) -> str:
        where = ", ".join(endpoint.url for endpoint in self._endpoints[:3])
        more = f" and {len(self._endpoints) - 3} more" if len(self._endpoints) > 3 else ""
        return f"server, {self._model} at {where}{more}"

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return [self._caption_one(request) for request in requests]

    def close(self) -> None:
        for endpoint in self._endpoints:
            endpoint.client.close()

    def _caption_one(self, request: CaptionRequest) -> Completion:
        payload = _payload(self._model, request)
        fault = Transient("nothing was asked")
        faults_at: Counter[Endpoint] = Counter()
        for attempt in range(1, self._max_attempts + 1):
            if attempt > 1:
                time.sleep(self._pause_s(attempt))
            endpoint = self._take_endpoint(faults_at)
            try:
                completion = self._ask(endpoint, payload, request.id, attempt)
            except Refused as error:
                return self._failed(request, attempt, f"refused: {error}", endpoint)
            except Transient as error:
                fault = error
                faults_at[endpoint] += 1
            else:
                self._failures_in_a_row = 0
                return completion
            finally:
                self._give_back(endpoint)
        if not any(self._model in served_models(endpoint) for endpoint in self._endpoints):
            raise SetupError(
                f"{endpoint.url} no longer serves {self._model} ({fault}, {self._max_attempts} attempts);"
                " start it again and run the same command: captions so far stay"
            )
        return self._failed(request, self._max_attempts, f"no answer: {fault}", endpoint)

    def _ask(self, endpoint: Endpoint, payload: object, request_id: str, attempt: int) -> Completion:
        try:
            answer = endpoint.client.post("chat/completions", json=payload)
        except httpx.TransportError as error:
            endpoint.rest(self._pause_s(attempt + 1))
            if isinstance(error, httpx.ReadTimeout):
                raise Transient(f"{endpoint.url} gave none within {self._timeout_s:g} s") from None
            raise Transient(f"{endpoint.url}, {type(error).__name__}: {error}") from None
        try:
            said = read_answer(answer.status_code, answer.content, endpoint.url)
        except Unavailable:
            endpoint.rest(self._pause_s(attempt + 1))
            raise
        return Completion(
            id=request_id,
            text=said.text,
            finish_reason=said.finish_reason,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
            attempts=attempt,
        )

    def _failed(self, request: CaptionRequest, attempts: int, failure: str, endpoint: Endpoint) -> Completion:
        with self._lock:
            self._failures_in_a_row += 1
            hopeless = self._failures_in_a_row >= HOPELESS_STREAK
        if hopeless:
            raise SetupError(
                f"{endpoint.url} failed {HOPELESS_STREAK} requests in a row, the last with: {failure};"
                " mend that and run the same command: captions so far stay"
            )
        return Completion(id=request.id, attempts=attempts, failure=failure)

    def _take_endpoint(self, faults_at: Counter[Endpoint]) -> Endpoint:
        """Of those that failed this request least and aren't resting, the one with the fewest in flight."""
        now = time.monotonic()
        with self._lock:
            chosen = min(self._endpoints, key=lambda e: (faults_at[e], e.rests_until > now, e.in_flight))
            chosen.in_flight += 1
        return chosen

    def _give_back(self, endpoint: Endpoint) -> None:
        with self._lock:
            endpoint.in_flight -= 1

    def _pause_s(self, attempt: int) -> float:
        longest_s = min(LONGEST_PAUSE_S, self._first_pause_s * 2 ** (attempt - 2))
        return random.uniform(longest_s / 2, longest_s)


def _payload(model: str, request: CaptionRequest) -> dict[str, object]:
    """Greedy has top_k 1 because lmdeploy's server samples whatever the temperature."""
    pictures = iter(request.images)
    content = [
        {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
        if part is None
        else {"type": "text", "text": part}
        for part in message_parts(request.prompt, len(request.images))
    ]
    sampling = msgspec.to_builtins(request.sampling)
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": request.max_tokens,
        "temperature": sampling.pop("temperature"),
        "top_k": sampling.pop("top_k"),
        **{name: value for name, value in sampling.items() if value not in (None, 1.0)},
    }


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise SetupError(f"captioning.api_key_env names {variable}, which is not set; export {variable}=KEY")
    return key
