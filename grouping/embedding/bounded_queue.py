"""Queues between a pipeline's threads, which keep its memory bounded.

They can be closed, which wakes and stops every thread that waits at them. Not its job: what is held.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from triptych.executors.memory_budget import ClosedError, MemoryBudget

T = TypeVar("T")


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
