"""Prefetching: items are made by other threads before they are asked for, to hide network latency.

Comes in: an iterator, or a function and its arguments. Goes out: the items or results, in order. What another
thread raises is raised here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_IN_FLIGHT = 24
"""At 40 ms each, 600 small objects a second."""


def prefetched(items: Iterator[T], max_waiting: int) -> Iterator[T]:
    """``items``, produced by another thread, with at most ``max_waiting`` ready at a time."""
    end = object()
    for item in _results(repeat(partial(next, items, end)), threads=1, max_waiting=max_waiting):
        if item is end:
            return
        yield item


def prefetch_map(function: Callable[[T], R], items: Iterable[T], *, is_slow: bool) -> Iterator[R]:
    """``map``; if ``is_slow``, with up to MAX_IN_FLIGHT calls running or waiting to be consumed."""
    if not is_slow:
        return map(function, items)
    return _results((partial(function, item) for item in items), MAX_IN_FLIGHT, MAX_IN_FLIGHT)


def _results(calls: Iterable[Callable[[], R]], threads: int, max_waiting: int) -> Iterator[R]:
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for call in calls:
            pending.append(pool.submit(call))
            if len(pending) == max_waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
