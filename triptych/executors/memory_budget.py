"""A limit on how many images, bytes or pixels threads hold at once. Not its job: what is held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ClosedError(Exception):
    """Raised in threads that wait at a budget or queue when it is closed: they have to end."""


class MemoryBudget:
    """A limit on the images, bytes or pixels that are held at once. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()
        self.peak = 0
        """The largest amount held at once so far."""

    def acquire(self, amount: int) -> None:
        """Wait until ``amount`` more fits, then hold it. An amount above the limit is held alone.

        Raises ClosedError once the budget is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._held == 0 or self._held + amount <= self._limit
            )
            if self._closed:
                raise ClosedError
            self._held += amount
            self.peak = max(self.peak, self._held)

    def release(self, amount: int) -> None:
        """Give ``amount`` back."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()

    @contextmanager
    def held(self, amount: int) -> Iterator[None]:
        """Hold ``amount`` inside the block."""
        self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)

    def close(self) -> None:
        """Raise ClosedError in every waiting thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
