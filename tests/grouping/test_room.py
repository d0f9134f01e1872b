"""Bounds and queues between threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from triptych.grouping.embedding.bounded_queue import Channel, Room, StoppedError


def test_a_room_holds_no_more_than_its_limit() -> None:
    """Twelve threads that take three of ten each: at most nine are ever held."""
    room = Room(10)
    all_there = threading.Barrier(12)

    def work() -> None:
        all_there.wait()
        for _ in range(50):
            room.enter(3)
            room.leave(3)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 3 <= room.most_held <= 9


def test_what_is_larger_than_a_room_is_let_in_alone() -> None:
    """It waits until nothing is held, and doesn't wait for ever."""
    room = Room(10)
    room.enter(4)
    entered = threading.Event()
    giant = threading.Thread(target=lambda: (room.enter(99), entered.set()))
    giant.start()

    assert not entered.wait(0.05)
    room.leave(4)
    assert entered.wait(5)
    giant.join()


def test_closing_a_room_stops_who_waits() -> None:
    """They get StoppedError, now and later."""
    room = Room(1)
    room.enter(1)
    stopped = threading.Event()

    def wait() -> None:
        with pytest.raises(StoppedError):
            room.enter(1)
        stopped.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    room.close()

    assert stopped.wait(5)
    waiting.join()


def test_a_channel_hands_over_in_order_and_then_what_was_raised() -> None:
    """All items, then the source's own error."""

    def source() -> Iterator[int]:
        yield from range(5)
        raise ValueError("broke")

    channel: Channel[int] = Channel(2)
    thread = threading.Thread(target=channel.fill_from, args=(source(),))
    thread.start()
    taken = []
    with pytest.raises(ValueError, match="broke"):
        for item in channel:
            taken.append(item)  # noqa: PERF402  # extend would lose what came before the error
    thread.join()

    assert [0, 1, 2, 3, 4] == taken


def test_a_closed_channel_lets_its_filler_end() -> None:
    """A source without end stops at the next item that doesn't fit."""

    def endless() -> Iterator[int]:
        while True:
            yield 1

    channel: Channel[int] = Channel(3)
    thread = threading.Thread(target=channel.fill_from, args=(endless(),))
    thread.start()
    assert next(iter(channel)) == 1
    channel.close()
    thread.join(5)

    assert not thread.is_alive()
