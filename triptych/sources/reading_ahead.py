"""Files read before they are asked for, where each costs a journey over the network.

Comes in: a function and what to call it with, or what makes items one by one. Goes out: what they return, in
order. Not its job: what they do.
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

AT_ONCE = 24
"""At 40 ms each, 600 small objects a second."""

PATIENCE_S = 0.2
"""Until a thread looks whether anybody still wants what it reads."""


def produced_ahead(items: Iterator[T], most: int) -> Iterator[T]:
    """``items``, made by another thread, so that the next ones are on their way while these are worked on.
    ``most`` wait at a time. What the other thread raises is raised here."""
    made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(most)
    is_left = threading.Event()

    def produce() -> None:
        try:
            for item in items:
                while not is_left.is_set():
                    with contextlib.suppress(queue.Full):
                        made.put((item, None), timeout=PATIENCE_S)
                        break
                else:
                    return
            end: BaseException = StopIteration()
        except BaseException as error:
            end = error
        while not is_left.is_set():
            with contextlib.suppress(queue.Full):
                made.put((None, end), timeout=PATIENCE_S)
                return

    threading.Thread(target=produce, name="reads ahead", daemon=True).start()
    try:
        while True:
            item, end = made.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]
    finally:
        is_left.set()


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, is_slow: bool) -> Iterator[R]:
    """``map``; where ``is_slow``, with AT_ONCE calls in flight and no more results held than that."""
    if not is_slow:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) == AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
