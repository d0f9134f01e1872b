"""A limit on what threads hold at once: images, bytes or pixels. Not its job: what is held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ClosedError(Exception):
    """Raised in whatever waits at a closed budget or queue: its thread has to end."""


class MemoryBudget:
    """A limit on the images, bytes or pixels that are held at once. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()
        self.peak = 0
        """The largest amount that was ever held at once."""

    def acquire(self, amount: int) -> None:
        """Wait until ``amount`` more fits, then hold it. What is larger than the limit is held alone.

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
        """Hold ``amount`` less."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()

    @contextmanager
    def held(self, amount: int) -> Iterator[None]:
        """Hold ``amount`` meanwhile."""
        self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)

    def close(self) -> None:
        """Stop every thread that waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
