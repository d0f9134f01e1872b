"""What keeps a pipeline's memory bounded: budgets for what its threads hold, and queues between them.

Both can be closed, which wakes and stops every thread that waits at them. Not its job: what is held.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

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


class _End(NamedTuple):
    """Behind the last item of a queue."""

    error: BaseException | None


class BoundedQueue(Generic[T]):
    """A queue of at most ``size`` items from one thread to another, which hands on errors, too."""

    def __init__(self, size: int) -> None:
        self._budget = MemoryBudget(size)
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()

    def fill_from(self, source: Iterator[T]) -> None:
        """Put every item of ``source``; what it raises is raised for the taker. The body of a thread."""
        try:
            for item in source:
                self._budget.acquire(1)
                self._items.put(item)
            self._items.put(_End(None))
        except ClosedError:
            return
        except BaseException as error:
            self._items.put(_End(error))

    def __iter__(self) -> Iterator[T]:
        """Take items until the source has ended. Raises what it raised; ClosedError once closed."""
        while True:
            item = self._items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            self._budget.release(1)
            yield item

    def fail(self, error: BaseException) -> None:
        """Raise ``error`` for the taker, behind the items that are there. Called from a third thread."""
        self._items.put(_End(error))

    def close(self) -> None:
        """Stop both sides."""
        self._budget.close()
        self._items.put(_End(ClosedError()))
