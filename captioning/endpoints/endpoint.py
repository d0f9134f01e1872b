"""The state of one endpoint: its URL, requests in flight, health, and the fields that it accepts.

Comes in: a URL as a user writes it; how requests ended. Goes out: whether the endpoint may get another
request. Not its job: captions (see engines.openai_server), which endpoint gets a request (see load_balancer),
which model it serves (see served_models).
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
"""After this many errors in a row the endpoint itself counts as unhealthy."""


class Endpoint:
    """One server. What a supervisor reads and sets is safe to use from any thread."""

    def __init__(
        self,
        url: str,
        max_in_flight: int,
        first_pause_s: float = FIRST_PAUSE_S,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = self.url = base_url(url)
        """``name`` identifies it; requests go to ``url``, which may become a variant of that."""
        self.dialect = Dialect(extra_body)
        self.lists_model = False
        """Whether its list of models has had the run's."""
        self.in_flight = 0
        self.last_sign_at = time.monotonic()
        """When its last byte came, by the monotonic clock."""
        self.limit = ConcurrencyLimit(max_in_flight)
        self.mean_latency_s = 0.0
        """Of its answers, recent ones weighing more; 0 before the first."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after ``rest`` and ``wake``."""
        self._first_pause_s = first_pause_s
        self._rests_until = self._retry_after_until = 0.0
        self._rests_in_a_row = 0
        self._errors_in_a_row = 0
        self._restarts = False
        self.is_tried = False
        """Whether its first request has ended, or has taken longer than a refusal does."""

    def rest(self, pause_s: float) -> None:
        """Send it no requests for ``pause_s``, then one, then gradually more. From any thread."""
        self._rests_until = time.monotonic() + pause_s
        self._restarts = True
        self.on_change()

    def wake(self) -> None:
        """End its rest: it is up again. From any thread."""
        self._rests_until = self._retry_after_until = 0.0
        self._rests_in_a_row = 0
        self.on_change()

    def end_trial(self) -> None:
        """Let others in beside its first request, which takes long."""
        self.is_tried = True
        self.on_change()

    @property
    def rest_left_s(self) -> float:
        """How long it still rests; 0 when it may have a request."""
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def retry_after_left_s(self) -> float:
        """What is left of the longest Retry-After that it sent; 0 when nothing is."""
        return max(0.0, self._retry_after_until - time.monotonic())

    @property
    def is_well(self) -> bool:
        """Whether it has answered since it last rested."""
        return self._rests_in_a_row == 0 and self.rest_left_s == 0.0

    @property
    def has_free_slot(self) -> bool:
        """Whether it may have one more request. For the event loop's thread."""
        if self._restarts:
            self._restarts = False
            self.limit.restart()
        limit = self.limit.limit if self.is_tried else 1  # the first request finds out what it accepts
        return self.in_flight < limit and self.rest_left_s == 0.0

    def answered(self, took_s: float) -> None:
        """Note that it answered a request, if only with a refusal."""
        self.is_tried = True
        self._errors_in_a_row = self._rests_in_a_row = 0
        weight = 0.1 if self.mean_latency_s else 1.0
        self.mean_latency_s += weight * (took_s - self.mean_latency_s)
        self.limit.ended(overloaded=False)

    def failed(self, error: Transient) -> None:
        """Note that a request failed there. After several errors in a row that are the endpoint's own fault
        it rests: longer each time, jittered, or as long as its Retry-After says."""
        self.is_tried = True
        self.limit.ended(overloaded=error.is_overload)
        self._retry_after_until = max(self._retry_after_until, time.monotonic() + error.retry_after_s)
        if not error.is_endpoint_fault:
            return
        self._errors_in_a_row += 1
        if self.rest_left_s > 0.0:
            return
        is_gone = isinstance(error, Unreachable)
        if is_gone or self._errors_in_a_row >= ERRORS_BEFORE_REST or self._rests_in_a_row:
            self._rests_in_a_row += 1
            self.rest(max(error.retry_after_s, pause_s(self._rests_in_a_row, self._first_pause_s)))
