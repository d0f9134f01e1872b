"""An endpoint: where it is, what it has in flight, how it is doing, and what it takes.

Comes in: a URL as a user writes it; how requests ended. Goes out: whether it may have another request. Not
its job: captions (see engines.openai_server), who gets a request (see load_balancer), which model it serves
(see served_models).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from triptych.captioning.endpoints.backoff import FIRST_PAUSE_S, ConcurrencyLimit, pause_s
from triptych.captioning.endpoints.base_url import base_url
from triptych.captioning.endpoints.dialect import Dialect
from triptych.captioning.endpoints.request_errors import Transient, Unreachable

ERRORS_BEFORE_REST = 5
"""So many errors in a row without an answer between: the endpoint itself isn't well."""


class Endpoint:
    """One server. What a supervisor reads and sets is safe from any thread."""

    def __init__(
        self,
        url: str,
        max_in_flight: int,
        first_pause_s: float = FIRST_PAUSE_S,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = self.url = base_url(url)
        """What is known of it goes by ``name``; it is asked at ``url``, which may be another form of that."""
        self.dialect = Dialect(extra_body)
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
        self._rests_until = self._held_until = 0.0
        self._rests_in_a_row = 0
        self._errors_in_a_row = 0
        self._restarts = False
        self.is_tried = False
        """Whether it has more than its first request: that has ended, or takes longer than a refusal does."""

    def rest(self, pause_s: float) -> None:
        """It is down: no new requests for so long, then one, then gradually more. From any thread."""
        self._rests_until = time.monotonic() + pause_s
        self._restarts = True
        self.on_change()

    def wake(self) -> None:
        """It is up again: an end to its rest. From any thread."""
        self._rests_until = self._held_until = 0.0
        self._rests_in_a_row = 0
        self.on_change()

    def end_trial(self) -> None:
        """Its first request takes its time: let others in."""
        self.is_tried = True
        self.on_change()

    @property
    def rests_for_s(self) -> float:
        """How long it still gets no request; 0: it may have one."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def held_for_s(self) -> float:
        """How long it is still left alone, as it asked; 0: not at all."""
        return max(0.0, self._held_until - time.monotonic())

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
        limit = self.limit.limit if self.is_tried else 1  # its first request tells what it takes
        return self.in_flight < limit and self.rests_for_s == 0.0

    def answered(self, took_s: float) -> None:
        """It served a request, if only with a refusal."""
        self.is_tried = True
        self._errors_in_a_row = self._rests_in_a_row = 0
        weight = 0.1 if self.mean_latency_s else 1.0
        self.mean_latency_s += weight * (took_s - self.mean_latency_s)
        self.limit.ended(overloaded=False)

    def failed(self, error: Transient) -> None:
        """A request failed there. It rests where it isn't well and that happened too often in a row: longer
        each time, jittered, or as long as it asked for."""
        self.is_tried = True
        self.limit.ended(overloaded=error.is_overload)
        self._held_until = max(self._held_until, time.monotonic() + error.retry_after_s)
        if not error.is_of_endpoint:
            return
        self._errors_in_a_row += 1
        if self.rests_for_s > 0.0:
            return
        is_gone = isinstance(error, Unreachable)
        if is_gone or self._errors_in_a_row >= ERRORS_BEFORE_REST or self._rests_in_a_row:
            self._rests_in_a_row += 1
            self.rest(max(error.retry_after_s, pause_s(self._rests_in_a_row, self._first_pause_s)))
