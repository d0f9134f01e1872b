"""How many requests an endpoint is given at a time: as many as it can take, at most a ceiling.

Comes in: how each request ended. Goes out: a limit. It begins at the ceiling. After every window of
``limit`` requests it is cut by half the share of them that met overload (429, 503, a time limit), as
DCTCP does (RFC 8257, with the window's own share), and raised by one, as TCP avoids congestion (RFC
5681): one bad answer among hundreds costs nothing, a window of nothing else halves. A window that took
twice as long an answer as the one before and still got less done counts as half overloaded. After a
rest it begins at one and doubles every window up to what it was: TCP's slow start. Not its job: which
endpoint gets a request (see dispatch).
"""

from __future__ import annotations

import time

SLOWER = 2.0
LESS_DONE = 0.8
"""Rising latency alone is what a full batch costs. It is overload where it buys nothing: answers take
SLOWER times as long as in the window before, and fewer than LESS_DONE of its answers a second come."""

LEAST_WINDOW = 8
"""Requests a window at least: below, one slow answer would decide."""


class InFlightLimit:
    """``limit`` of one endpoint. Belongs to the event loop's thread."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = float(ceiling)
        self._slow_start_to = 0.0
        self._before: tuple[float, float] | None = None
        self._begin_window()

    @property
    def limit(self) -> int:
        """How many may be in flight now: 1 to the ceiling."""
        return max(1, int(self._limit))

    def restart(self) -> None:
        """After a rest: one request first, then twice as many every window."""
        self._slow_start_to = max(self._limit, self._slow_start_to)
        self._limit = 1.0
        self._before = None
        self._begin_window()

    def ended(self, *, took_s: float, overloaded: bool) -> None:
        """One request has ended."""
        self._count += 1
        self._overloads += overloaded
        if not overloaded:
            self._took_s += took_s
            if self._limit < self._slow_start_to:
                self._limit = min(self._ceiling, self._limit + 1)
        if self._count >= max(self.limit, LEAST_WINDOW):
            self._end_window()

    def _end_window(self) -> None:
        share = max(self._overloads / self._count, self._slowed_down())
        if share > 0:
            self._slow_start_to = 0.0
        self._limit = min(self._ceiling, max(1.0, self._limit * (1 - share / 2) + 1))
        self._begin_window()

    def _slowed_down(self) -> float:
        """0.5 where this window took longer and got less done, else 0; remembers it for the next."""
        answers = self._count - self._overloads
        if not answers:
            return 0.0
        mean_s = self._took_s / answers
        rate = answers / max(time.monotonic() - self._began, 1e-9)
        before, self._before = self._before, (mean_s, rate)
        if before is None:
            return 0.0
        return 0.5 if mean_s > SLOWER * before[0] and rate < LESS_DONE * before[1] else 0.0

    def _begin_window(self) -> None:
        self._count = self._overloads = 0
        self._took_s = 0.0
        self._began = time.monotonic()
