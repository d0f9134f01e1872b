"""Independent pieces of matrix work, done by threads, handed back in order.

Each thread computes its pieces alone, so a piece comes out the same for any number of threads. Comes
in: a function and its arguments. Goes out: results in the order of the arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from triptych.grouping.neighbours.faiss_search import Searcher

T = TypeVar("T")
R = TypeVar("R")


def in_threads(work: Callable[[T], R], pieces: Iterable[T], searcher: Searcher) -> Iterator[R]:
    """``work`` of each piece, in order, in the searcher's threads.

    At most two pieces a thread are begun before the first is taken.
    """
    count, begin = searcher.threads, searcher.work_in_one_thread
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="neighbours", initializer=begin) as pool:
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
