"""The engine that asks OpenAI-compatible endpoints: lmdeploy's server, or any other.

Comes in: requests, from any number of threads. Goes out: completions, from one or many endpoints that
serve one model. All that is in flight lives in one event loop in a thread of its own. What may pass is
sent again after a growing, jittered pause, within a budget; what is refused for good, or keeps failing
alone, becomes a recorded failure; where nobody answers, requests wait. Not its job: starting servers,
judging texts (see regenerate).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from triptych.captioning.endpoints.backoff import FIRST_PAUSE_S, RetryBudget, pause_s
from triptych.captioning.endpoints.chat_answers import Said
from triptych.captioning.endpoints.chat_request import chat_body
from triptych.captioning.endpoints.endpoint import Endpoint, check_endpoints
from triptych.captioning.endpoints.http_client import TimeLimits, exchange, open_session
from triptych.captioning.endpoints.load_balancer import AllDown, Dispatch
from triptych.captioning.endpoints.request_errors import (
    Fault,
    NotNow,
    Refused,
    TimedOut,
    TooLong,
    Transient,
    Unavailable,
    Unreachable,
)
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines.server_spec import ServerConfig
from triptych.errors import SetupError

HOPELESS_STREAK = 20
"""So many requests failed one after the other without a single caption between: the fault isn't theirs."""

WAITING_SHARE = 1 / 8
"""Of the slots: requests that stand in line, so that a slot that gets free is taken at once."""

T = TypeVar("T")


class ServerEngine:
    """One model behind one or many endpoints. Thread-safe."""

    def __init__(
        self, config: ServerConfig, model: str = "", *, first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        """Connect to the endpoints. ``model`` is a served name; empty: the only one.

        Raises SetupError where none is there, or one is wrongly set up.
        """
        self._max_attempts = config.max_attempts
        self._patience_s = config.patience_s
        self._first_pause_s = first_pause_s
        self._time_limits = TimeLimits(
            first_token_s=config.first_token_timeout_s,
            token_s=config.token_timeout_s,
            total_s=config.timeout_s,
        )
        self._slots = config.max_in_flight * len(config.urls)
        api_key = _api_key(config.api_key_env)
        self.endpoints = [Endpoint(url, config.max_in_flight, first_pause_s) for url in config.urls]
        self._model, self._absent = check_endpoints(self.endpoints, model or None, api_key)
        self._budget = RetryBudget(self._slots)
        self._failures_in_a_row = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoints", daemon=True)
        self._thread.start()
        self._dispatch, self._session = self._in_loop(self._open(api_key))

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
        return {"served_model": self._model}

    def describe(self) -> str:
        where = ", ".join(endpoint.url for endpoint in self.endpoints[:3])
        more = f" and {len(self.endpoints) - 3} more" if len(self.endpoints) > 3 else ""
        absent = f"; going on without those not there, until they are: {'; '.join(self._absent)}"
        return f"server, {self._model} at {where}{more}{absent if self._absent else ''}"

    def slot_s(self) -> float:
        return self._dispatch.slot_s()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return [self._in_loop(self._caption(request)) for request in requests]

    def close(self) -> None:
        """Drop what is still in flight and the connections."""
        if self._loop.is_running():
            self._in_loop(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, api_key: str | None) -> tuple[Dispatch, Any]:
        return Dispatch(self.endpoints, self._patience_s, self._loop), open_session(api_key)

    def drop(self) -> None:
        """Drop what is in flight or waits: who called ``caption`` gets a CancelledError."""
        self._in_loop(self._drop())

    async def _drop(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _close(self) -> None:
        await self._drop()
        await self._session.close()

    async def _caption(self, request: CaptionRequest) -> Completion:
        tries = _Tries()
        while True:
            if tries.fault is not None:
                budget_s = 0.0 if isinstance(tries.fault, Unreachable) else self._budget.wait_s()
                await asyncio.sleep(tries.pause_s(self._first_pause_s) + budget_s)
            else:
                self._budget.asked_first()
            try:
                said = await self._ask(request, tries)
            except AllDown:
                raise SetupError(self._all_down(tries)) from None
            except Refused as refusal:
                kind = "too long" if isinstance(refusal, TooLong) else "refused"
                return self._failed(request, tries, f"{kind}: {refusal}")
            except Transient as fault:
                tries.add(fault)
                impatient = isinstance(fault, NotNow) and tries.took_s >= self._patience_s
                if impatient and self._dispatch.is_down:
                    raise SetupError(self._all_down(tries)) from None
                if impatient or tries.blamed >= self._max_attempts:
                    return self._failed(request, tries, f"no answer: {fault}")
            else:
                self._failures_in_a_row = 0
                return Completion(
                    id=request.id,
                    text=said.text,
                    finish_reason=said.finish_reason,
                    prompt_tokens=said.prompt_tokens,
                    completion_tokens=said.completion_tokens,
                    attempts=tries.sent,
                )

    async def _ask(self, request: CaptionRequest, tries: _Tries) -> Said:
        """One attempt, and what it says about its endpoint."""
        in_line_since = time.monotonic()
        endpoint = await self._dispatch.take(tries.faults_at)
        began = time.monotonic()
        tries.sent += 1
        tries.stood_in_line_s += began - in_line_since
        try:
            said = await exchange(self._session, endpoint, chat_body(self._model, request), self._time_limits)
        except Refused:
            endpoint.answered(time.monotonic() - began)
            raise
        except Transient as fault:
            tries.faults_at[endpoint] += 1
            tries.sent -= isinstance(fault, Unreachable)
            not_now = isinstance(fault, NotNow)
            unavailable = isinstance(fault, Unavailable)
            endpoint.failed(
                overloaded=isinstance(fault, TimedOut) or (not_now and not isinstance(fault, Unreachable)),
                is_its_own=unavailable or not not_now,
                is_gone=isinstance(fault, Unreachable),
                retry_after_s=fault.retry_after_s if isinstance(fault, Unavailable) else 0.0,
            )
            raise
        else:
            endpoint.answered(time.monotonic() - began)
            return said
        finally:
            self._dispatch.give_back(endpoint)

    def _failed(self, request: CaptionRequest, tries: _Tries, failure: str) -> Completion:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= HOPELESS_STREAK:
            raise SetupError(
                f"{HOPELESS_STREAK} requests failed in a row, the last with: {failure};"
                " mend that and run the same command: captions so far stay"
            )
        return Completion(id=request.id, attempts=tries.sent, failure=failure)

    def _all_down(self, tries: _Tries) -> str:
        where = self.endpoints[0].url if len(self.endpoints) == 1 else f"{len(self.endpoints)} endpoints"
        last = f" (the last said: {tries.fault})" if tries.fault is not None else ""
        return (
            f"{where} gave no answer for {self._patience_s:g} s{last};"
            f" start {self._model} there again and run the same command: captions so far stay"
        )


class _Tries:
    """What has been tried of one request."""

    def __init__(self) -> None:
        self.sent = 0
        self.stood_in_line_s = 0.0
        self.blamed = 0
        self.fault: Fault | None = None
        self.faults_at: Counter[Endpoint] = Counter()
        self._faults = 0
        self._began = time.monotonic()

    def add(self, fault: Transient) -> None:
        self.fault = fault
        self._faults += 1
        self.blamed += not isinstance(fault, NotNow)

    @property
    def took_s(self) -> float:
        """Since the first attempt, without the time in line: others were served then, or nobody was."""
        return time.monotonic() - self._began - self.stood_in_line_s

    def pause_s(self, first_s: float) -> float:
        asked_for = self.fault.retry_after_s if isinstance(self.fault, NotNow) else 0.0
        return max(asked_for, pause_s(self._faults, first_s))


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise SetupError(
            f"captioning.server.api_key_env names {variable}, which is not set; export {variable}=KEY"
        )
    return key
