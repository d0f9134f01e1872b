"""Independent pieces of matrix work, done by threads, handed back in order.

Each thread computes its pieces alone, so a piece comes out the same for any number of threads. Comes
in: a function and its arguments. Goes out: results in the order of the arguments.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from grouping.neighbours import work_in_one_thread

T = TypeVar("T")
R = TypeVar("R")


def in_threads(work: Callable[[T], R], pieces: Iterable[T], threads: int) -> Iterator[R]:
    """``work`` of each piece, in order. ``threads`` 0 takes as many as this process may use cores.

    At most two pieces a thread are begun before the first is taken.
    """
    count = threads or len(os.sched_getaffinity(0))
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="neighbours", initializer=work_in_one_thread) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
