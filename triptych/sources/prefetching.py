"""Prefetching: items are made by other threads before they are asked for, to hide network latency.

Comes in: an iterator, or a function and its arguments. Goes out: the items or results, in order.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_IN_FLIGHT = 24
"""At 40 ms each, 600 small objects a second."""

POLL_S = 0.2
"""How often the producing thread checks whether its consumer has stopped."""


def prefetched(items: Iterator[T], max_waiting: int) -> Iterator[T]:
    """``items``, produced by another thread, with at most ``max_waiting`` ready at a time. What that thread
    raises is raised here."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(max_waiting)
    is_closed = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not is_closed.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(entry, timeout=POLL_S)
                return True
        return False

    def produce() -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as error:
            end = error
        put((None, end))

    threading.Thread(target=produce, name="prefetch", daemon=True).start()
    try:
        while True:
            item, end = ready.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]
    finally:
        is_closed.set()


def prefetch_map(function: Callable[[T], R], items: Iterable[T], *, is_slow: bool) -> Iterator[R]:
    """``map``; if ``is_slow``, with up to MAX_IN_FLIGHT calls running or waiting to be consumed."""
    if not is_slow:
        yield from map(function, items)
        return
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(MAX_IN_FLIGHT) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) == MAX_IN_FLIGHT:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
