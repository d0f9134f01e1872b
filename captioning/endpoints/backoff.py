"""What an endpoint that can't serve everything is given: pauses between attempts, fewer requests at a time.

Comes in: how requests ended, what a server asked for. Goes out: seconds, and a limit. Not its job: whether
an error may pass (see chat_api), which endpoint gets a request (see load_balancer).
"""

from __future__ import annotations

import email.utils
import random
import time

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Pauses before the 2nd, 3rd, ... attempt: doubled each time, then shortened by up to half at random."""

LONGEST_RETRY_AFTER_S = 120.0
"""A server that asks for more is asked again after that much: it may have been mistaken."""

SHORTEST_ROUND = 8
"""Requests by which a limit is changed, at least: fewer, and a single error would decide."""


def pause_s(errors: int, first_s: float = FIRST_PAUSE_S) -> float:
    """The pause after ``errors`` errors in a row, jittered."""
    longest_s = min(LONGEST_PAUSE_S, first_s * 2.0 ** (max(errors, 1) - 1))
    return random.uniform(longest_s / 2, longest_s)


def retry_after_s(header: str | None) -> float:
    """The seconds that a Retry-After header asks for: a number or an HTTP date; 0 where it says none."""
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
    """How many requests an endpoint has at a time, at most ``ceiling``. Belongs to the event loop's thread.

    After every round of ``limit`` requests it is lowered by half the share of them that met overload, and
    raised by one: a single error among hundreds costs nothing, a round of nothing else halves.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._regained_at = 0.0
        self._ended = self._overloads = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now: 1 to the ceiling."""
        return max(1, int(self._limit))

    def restart(self) -> None:
        """The endpoint was down: one request first, then one more for each answer, up to what it had."""
        self._regained_at = max(self._limit, self._regained_at)
        self._limit = 1.0
        self._ended = self._overloads = 0

    def ended(self, *, overloaded: bool) -> None:
        """One request has ended."""
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
