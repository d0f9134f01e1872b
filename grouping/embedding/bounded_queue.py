"""Bounded queues between a pipeline's threads.

Closing a queue wakes and stops every thread that waits at it. Not its job: what the items are.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from triptych.executors.memory_budget import ClosedError, MemoryBudget

T = TypeVar("T")


class _End(NamedTuple):
    """Marks the end of a queue."""

    error: BaseException | None


class BoundedQueue(Generic[T]):
    """A queue of at most ``size`` items from one thread to another. It passes on exceptions, too."""

    def __init__(self, size: int) -> None:
        self._budget = MemoryBudget(size)
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()

    def fill_from(self, source: Iterator[T]) -> None:
        """Put every item of ``source``; whatever it raises is raised in the consumer. Runs as a thread."""
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
        """Take items until the source ends. Raises what the source raised, or ClosedError once closed."""
        while True:
            item = self._items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            self._budget.release(1)
            yield item

    def fail(self, error: BaseException) -> None:
        """Raise ``error`` in the consumer, after the items queued so far. Called from a third thread."""
        self._items.put(_End(error))

    def close(self) -> None:
        """Stop producer and consumer."""
        self._budget.close()
        self._items.put(_End(ClosedError()))
