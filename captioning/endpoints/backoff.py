"""When a request is sent again: how long it pauses before, and how many retries there may be at all.

Comes in: how often a request failed, what the server asked for. Goes out: seconds. Not its job: whether
a fault may pass (see chat_answers).
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

RETRY_SHARE = 0.3
FREE_RETRIES_A_SECOND = 1.0
"""Retries are at most this share of what is asked for the first time, and one a second besides, so that a
sick server is not asked several times as often as a healthy one. As many as there are slots can be saved
up: all that was in flight at a server that died is asked again at once. The share is above the 0.2 of
Finagle's budget, because a batch gives nothing up: a retry without budget waits for it."""


def pause_s(faults: int, first_s: float = FIRST_PAUSE_S) -> float:
    """The pause after ``faults`` faults in a row, jittered."""
    longest_s = min(LONGEST_PAUSE_S, first_s * 2.0 ** (max(faults, 1) - 1))
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


class RetryBudget:
    """A bucket of retries. Belongs to the event loop's thread."""

    def __init__(self, slots: int) -> None:
        self._most = self._saved = float(slots)
        self._at = time.monotonic()

    def asked_first(self) -> None:
        """A request was sent for the first time."""
        self._saved = min(self._most, self._saved + RETRY_SHARE)

    def wait_s(self) -> float:
        """Takes one retry, and says how long it has to wait until there is one."""
        now = time.monotonic()
        self._saved = min(self._most, self._saved + (now - self._at) * FREE_RETRIES_A_SECOND)
        self._at = now
        self._saved -= 1
        return max(0.0, -self._saved / FREE_RETRIES_A_SECOND)
