"""Pauses between attempts, and an adaptive limit on the requests that an endpoint has in flight.

Comes in: how requests ended, Retry-After headers. Goes out: seconds, and a limit. Not its job: which errors
are worth a retry (see request_errors), which endpoint gets a request (see load_balancer).
"""

from __future__ import annotations

import email.utils
import random
import time

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""The pause doubles with each attempt, and is then shortened by up to half at random."""

LONGEST_RETRY_AFTER_S = 120.0
"""A longer Retry-After is cut to this: the server may be mistaken."""

SHORTEST_ROUND = 8
"""The limit changes after at least this many requests: with fewer, a single error would decide."""


def pause_s(errors: int, first_s: float = FIRST_PAUSE_S) -> float:
    """The pause after ``errors`` errors in a row, jittered."""
    longest_s = min(LONGEST_PAUSE_S, first_s * 2.0 ** (max(errors, 1) - 1))
    return random.uniform(longest_s / 2, longest_s)


def retry_after_s(header: str | None) -> float:
    """The seconds that a Retry-After header asks for, as a number or an HTTP date; 0 without a valid one."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S) if seconds == seconds else 0.0


class ConcurrencyLimit:
    """How many requests an endpoint may have in flight, at most ``ceiling``. For the event loop's thread.

    After every ``limit`` requests, the limit falls by half the share of them that met overload, and rises by
    one: a single error among hundreds costs nothing, a round of errors alone halves it.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._regained_at = 0.0
        self._ended = self._overloads = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now: 1 to the ceiling."""
        return max(1, int(self._limit))

    def restart(self) -> None:
        """After a failure: begin with one request, and add one for each answer, up to the limit before."""
        self._regained_at = max(self._limit, self._regained_at)
        self._limit = 1.0
        self._ended = self._overloads = 0

    def ended(self, *, overloaded: bool) -> None:
        """Count a request that has ended."""
        self._ended += 1
        self._overloads += overloaded
        if not overloaded and self._limit < self._regained_at:
            self._limit = min(self._ceiling, self._limit + 1)
        if self._ended < max(self.limit, SHORTEST_ROUND):
            return
        if self._overloads:
            self._regained_at = 0.0
        lowered = self._limit * (1 - self._overloads / self._ended / 2)
        self._limit = min(self._ceiling, max(1.0, lowered + 1))
        self._ended = self._overloads = 0
