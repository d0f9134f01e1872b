"""Bounds on what is held in memory, and bounded queues, between the threads of a pipeline.

Both can be closed, which wakes and stops every thread that waits at them. Not its job: what is held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """What waits at a closed Room or Channel gets: its thread has to end."""


class Room:
    """A bounded number of images, bytes or pixels at once, for any number of threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()
        self.most_held = 0
        """The largest amount that was ever held at once."""

    def enter(self, amount: int) -> None:
        """Wait until ``amount`` more fits, then hold it. More than the limit is let in alone.

        Raises StoppedError once the room is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._held == 0 or self._held + amount <= self._limit
            )
            if self._closed:
                raise StoppedError
            self._held += amount
            self.most_held = max(self.most_held, self._held)

    def leave(self, amount: int) -> None:
        """Hold ``amount`` less."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()

    def close(self) -> None:
        """Stop everyone who waits to enter."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Channel(Generic[T]):
    """A queue of at most ``size`` items from one thread to another, which an error travels through."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()

    def fill_from(self, source: Iterator[T]) -> None:
        """Put every item of ``source``; whatever it raises, the taker gets. The body of a thread."""
        error: BaseException | None = None
        try:
            for item in source:
                self._put(item)
        except StoppedError:
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
                raise StoppedError
            self._items.append(item)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the source has ended. Raises what it raised; StoppedError once closed."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._failure or self._ended or bool(self._items)
                )
                if self._failure is not None:
                    raise self._failure
                if self._closed:
                    raise StoppedError
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def fail(self, failure: BaseException) -> None:
        """Have the taker get ``failure`` at once, from a third thread."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def close(self) -> None:
        """Stop both sides."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
