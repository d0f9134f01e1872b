"""Bounds the requests that are in memory, in bytes of their images.

Comes in: a bound, and the size of each group once it is made. Goes out: leave to make the next. How large a
group gets is known only afterwards: one that is being made counts as much as those before did on average, so
the bound holds but for their spread, and for the first few. Not its job: decoded pictures, of which there is
one a core (see request_builder).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

POLL_EVERY_S = 0.5


class RequestMemory:
    """Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._unsettled = 0
        self._settled = 0
        self._settled_bytes = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, stopping: threading.Event) -> Iterator[Reservation]:
        """Memory for one group: wait until it is free or ``stopping`` is set, and free it at the end."""
        with self._changed:
            while self._is_full() and not stopping.is_set():
                self._changed.wait(POLL_EVERY_S)
            self._unsettled += 1
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.settle(0)
            with self._changed:
                self._held_bytes -= reservation.size_bytes or 0
                self._changed.notify_all()

    def settle(self, size_bytes: int) -> None:
        """A group with a reservation comes to so much."""
        with self._changed:
            self._unsettled -= 1
            self._settled += 1
            self._settled_bytes += size_bytes
            self._held_bytes += size_bytes
            self._changed.notify_all()

    def _is_full(self) -> bool:
        expected_bytes = self._unsettled * self._settled_bytes / max(self._settled, 1)
        return self._held_bytes + expected_bytes >= self._max_bytes


class Reservation:
    """What one group holds."""

    def __init__(self, memory: RequestMemory) -> None:
        self.size_bytes: int | None = None
        """None until its requests are made."""
        self._memory = memory

    def settle(self, size_bytes: int) -> None:
        """The group's requests are made. Only the first call counts."""
        if self.size_bytes is None:
            self.size_bytes = size_bytes
            self._memory.settle(size_bytes)
