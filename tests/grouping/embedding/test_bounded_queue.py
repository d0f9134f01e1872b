"""Memory budgets and bounded queues, shared by threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from triptych.executors.memory_budget import ClosedError, MemoryBudget
from triptych.grouping.embedding.bounded_queue import BoundedQueue


def test_a_budget_holds_no_more_than_its_limit() -> None:
    """Twelve threads that acquire three of ten each: at most nine are ever in use."""
    budget = MemoryBudget(10)
    all_started = threading.Barrier(12)

    def work() -> None:
        all_started.wait()
        for _ in range(50):
            budget.acquire(3)
            budget.release(3)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 3 <= budget.peak <= 9


def test_an_item_larger_than_the_budget_is_admitted_alone() -> None:
    """It waits until nothing else is in use, and is then admitted."""
    budget = MemoryBudget(10)
    budget.acquire(4)
    entered = threading.Event()
    giant = threading.Thread(target=lambda: (budget.acquire(99), entered.set()))
    giant.start()

    assert not entered.wait(0.05)
    budget.release(4)
    assert entered.wait(5)
    giant.join()


def test_closing_a_budget_wakes_waiting_threads() -> None:
    """They get ClosedError."""
    budget = MemoryBudget(1)
    budget.acquire(1)
    stopped = threading.Event()

    def wait() -> None:
        with pytest.raises(ClosedError):
            budget.acquire(1)
        stopped.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    budget.close()

    assert stopped.wait(5)
    waiting.join()


def test_a_queue_keeps_the_order_and_then_raises_the_error() -> None:
    """The consumer gets all items, then the source's own error."""

    def source() -> Iterator[int]:
        yield from range(5)
        raise ValueError("broke")

    queue: BoundedQueue[int] = BoundedQueue(2)
    thread = threading.Thread(target=queue.fill_from, args=(source(),))
    thread.start()
    taken = []
    with pytest.raises(ValueError, match="broke"):
        for item in queue:
            taken.append(item)  # noqa: PERF402  # extend would lose what came before the error
    thread.join()

    assert [0, 1, 2, 3, 4] == taken


def test_closing_a_queue_ends_its_producer() -> None:
    """An endless source stops at the next item that doesn't fit."""

    def endless() -> Iterator[int]:
        while True:
            yield 1

    queue: BoundedQueue[int] = BoundedQueue(3)
    thread = threading.Thread(target=queue.fill_from, args=(endless(),))
    thread.start()
    assert next(iter(queue)) == 1
    queue.close()
    thread.join(5)

    assert not thread.is_alive()
