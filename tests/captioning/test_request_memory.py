"""How many requests are in memory."""

from __future__ import annotations

import threading

from triptych.captioning.request_memory import RequestMemory


def test_requests_in_memory_are_bounded_in_bytes() -> None:
    """The next is made when one is done."""
    memory, stopping = RequestMemory(100), threading.Event()
    made: list[int] = []

    def make_another() -> None:
        with memory.reserve(stopping) as reservation:
            reservation.settle(60)
            made.append(2)

    with memory.reserve(stopping) as first:
        first.settle(60)
        with memory.reserve(stopping) as second:
            second.settle(60)
            other = threading.Thread(target=make_another)
            other.start()
            other.join(0.2)
            while_full = list(made)
    other.join()

    assert [] == while_full
    assert [2] == made
