"""What keeps a pipeline's memory bounded: budgets for what its threads hold, and queues between them.

Both can be closed, which wakes and stops every thread that waits at them. Not its job: what is held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


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

    def close(self) -> None:
        """Stop every thread that waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class BoundedQueue(Generic[T]):
    """A queue of at most ``size`` items from one thread to another, which hands on errors, too."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()

    def fill_from(self, source: Iterator[T]) -> None:
        """Put every item of ``source``; what it raises is raised for the taker. The body of a thread."""
        error: BaseException | None = None
        try:
            for item in source:
                self._put(item)
        except ClosedError:
            return
        except BaseException as raised:
            error = raised
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def _put(self, item: T) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                raise ClosedError
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the source has ended. Raises what it raised; ClosedError once closed."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._failure or self._ended or bool(self._items)
                )
                if self._failure is not None:
                    raise self._failure
                if self._closed:
                    raise ClosedError
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def fail(self, failure: BaseException) -> None:
        """Raise ``failure`` for the taker at once. Called from a third thread."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def close(self) -> None:
        """Stop both sides."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
