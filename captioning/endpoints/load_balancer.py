"""Gives each request a slot at an endpoint, first come first served.

Comes in: endpoints. Goes out: an endpoint with a free slot; among several the one where the request has
failed least, and then the one that would be done with it first. An endpoint gets no request while its
Retry-After lasts. Since slots become free as requests end, each endpoint gets as many as it completes. Where
all endpoints are down, requests wait for ``patience_s``, and then fail. For the event loop's thread. Not its
job: sending.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence

from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.engine import BusyMeter

ALONE_S = 2.0
"""How long an endpoint's first request is alone: refusals come at once, answers may take minutes."""

Waiter = tuple[asyncio.Future[Endpoint], Counter[Endpoint]]


class AllEndpointsDown(Exception):
    """No endpoint has answered for as long as there was patience."""


class LoadBalancer:
    """Hands out the slots of all endpoints."""

    def __init__(
        self, endpoints: Sequence[Endpoint], patience_s: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._endpoints = endpoints
        self._patience_s = patience_s
        self._loop = loop
        self._waiting: deque[Waiter] = deque()
        self._down_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.meter = BusyMeter()
        for endpoint in endpoints:
            endpoint.on_change = self._look_again

    async def acquire(self, errors_at: Counter[Endpoint]) -> Endpoint:
        """Wait for a slot. Raises AllEndpointsDown when patience has run out."""
        waiter: asyncio.Future[Endpoint] = self._loop.create_future()
        self._waiting.append((waiter, errors_at))
        self.assign()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())
            raise

    def release(self, endpoint: Endpoint) -> None:
        """Free the slot of a request that has ended."""
        self.meter.change(-1)
        endpoint.in_flight -= 1
        self.assign()

    def assign(self) -> None:
        """Give slots to those who wait, or schedule when to look again."""
        while self._waiting:
            waiter, errors_at = self._waiting[0]
            if waiter.done():
                self._waiting.popleft()
                continue
            free = [each for each in self._endpoints if each.has_free_slot and not each.retry_after_left_s]
            if not free:
                break
            self._waiting.popleft()
            chosen = min(
                free, key=lambda e: (errors_at[e], (e.in_flight + 1) * e.mean_latency_s, e.in_flight)
            )
            self.meter.change(+1)
            chosen.in_flight += 1
            if not chosen.is_tried:
                self._loop.call_later(ALONE_S, chosen.end_trial)
            waiter.set_result(chosen)
        self._watch_patience()

    @property
    def retry_after_left_s(self) -> float:
        """How long until the Retry-After of some healthy endpoint is over; of any where none is healthy."""
        well = [each for each in self._endpoints if each.is_well]
        return min(each.retry_after_left_s for each in well or self._endpoints)

    def _look_again(self) -> None:
        """From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.assign)

    def _watch_patience(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.is_down:
            self._down_since = None
        elif self._down_since is None:
            self._down_since = time.monotonic()
        if not self._waiting:
            return
        pauses = [
            pause_s for each in self._endpoints for pause_s in (each.rest_left_s, each.retry_after_left_s)
        ]
        wakes_in_s = [pause_s for pause_s in pauses if pause_s > 0]
        if self._down_since is not None:
            left_s = self._down_since + self._patience_s - time.monotonic()
            if left_s <= 0:
                self._give_up()
                return
            wakes_in_s.append(left_s)
        if wakes_in_s:
            self._timer = self._loop.call_later(min(wakes_in_s) + 0.001, self.assign)

    @property
    def is_down(self) -> bool:
        """Whether no endpoint has answered since it last rested."""
        return not any(endpoint.is_well for endpoint in self._endpoints)

    def _give_up(self) -> None:
        while self._waiting:
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(AllEndpointsDown())
