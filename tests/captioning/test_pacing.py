"""How much an endpoint is given, when something is sent again, and how it is counted."""

from __future__ import annotations

import email.utils
import threading
import time

import pytest

from triptych.captioning.endpoints.backoff import (
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER_S,
    RetryBudget,
    pause_s,
    retry_after_s,
)
from triptych.captioning.endpoints.concurrency_limit import InFlightLimit
from triptych.captioning.engine import Completion
from triptych.captioning.metrics import Figures, as_notes, from_notes
from triptych.captioning.regenerate import Answer
from triptych.captioning.request_memory import RequestMemory


def windows(limit: InFlightLimit, count: int, overloaded_of_ten: int) -> None:
    """That many windows in which so many of ten requests meet overload."""
    for _ in range(count):
        for number in range(limit.limit):
            limit.ended(took_s=1.0, overloaded=number % 10 < overloaded_of_ten)


def test_a_limit_begins_at_its_ceiling_and_stays_there() -> None:
    """While nothing is wrong."""
    limit = InFlightLimit(64)
    windows(limit, 20, 0)

    assert 64 == limit.limit


def test_overload_of_all_halves_the_limit_and_overload_of_few_hardly_lowers_it() -> None:
    """By half the share of a window that met it, plus one."""
    all_overloaded, few_overloaded = InFlightLimit(64), InFlightLimit(64)
    windows(all_overloaded, 1, 10)
    windows(few_overloaded, 1, 1)

    assert 33 == all_overloaded.limit
    assert 61 == few_overloaded.limit


def test_a_limit_finds_what_a_server_can_take() -> None:
    """A server that has room for 40 and refuses the rest: the limit ends near, neither at 64 nor at 1."""
    limit = InFlightLimit(64)
    for _ in range(200):
        now = limit.limit
        for number in range(now):
            limit.ended(took_s=1.0, overloaded=number >= 40)

    assert 38 <= limit.limit <= 44


def test_a_limit_starts_over_at_one_after_a_rest_and_doubles() -> None:
    """A server that has just come up isn't overrun, and is soon full."""
    limit = InFlightLimit(64)
    limit.restart()
    seen = [limit.limit]
    for _ in range(6):
        for _ in range(limit.limit):
            limit.ended(took_s=1.0, overloaded=False)
        seen.append(limit.limit)

    assert seen[:3] == [1, 2, 4]
    assert 64 == seen[-1]


def test_a_limit_falls_where_answers_take_twice_as_long_and_fewer_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rising latency that buys nothing; the same latency with as much done lowers nothing."""
    clock = [0.0]
    monkeypatch.setattr("triptych.captioning.endpoints.concurrency_limit.time.monotonic", lambda: clock[0])

    def limit_after(second_window_takes_s: float) -> int:
        clock[0] = 0.0
        limit = InFlightLimit(64)
        for took_s, window_s in ((1.0, 1.0), (3.0, second_window_takes_s)):
            for _ in range(63):
                limit.ended(took_s=took_s, overloaded=False)
            clock[0] += window_s
            limit.ended(took_s=took_s, overloaded=False)
        return limit.limit

    assert 49 == limit_after(3.0)
    assert 64 == limit_after(1.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0.0), ("7", 7.0), ("-3", 0.0), ("99999", LONGEST_RETRY_AFTER_S), ("soon", 0.0), ("nan", 0.0)],
)
def test_retry_after_is_seconds(header: str | None, seconds: float) -> None:
    """Capped; what can't be read asks for nothing."""
    assert seconds == retry_after_s(header)


def test_retry_after_is_a_date() -> None:
    """In HTTP's form; one that has passed asks for nothing."""
    now = time.time()

    assert 15 < retry_after_s(email.utils.formatdate(now + 20, usegmt=True)) <= 20
    assert 0.0 == retry_after_s(email.utils.formatdate(now - 20, usegmt=True))


def test_pauses_grow_are_jittered_and_bounded() -> None:
    """Between half and all of 0.5, 1, 2, ... seconds."""
    pauses = {faults: [pause_s(faults) for _ in range(50)] for faults in (1, 3, 99)}

    assert all(0.25 <= pause <= 0.5 for pause in pauses[1])
    assert all(1.0 <= pause <= 2.0 for pause in pauses[3])
    assert all(LONGEST_PAUSE_S / 2 <= pause <= LONGEST_PAUSE_S for pause in pauses[99])
    assert len(set(pauses[1])) > 40


def test_retries_are_a_share_of_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved up is free; then a retry waits, unless requests are served beside it."""
    monkeypatch.setattr("triptych.captioning.endpoints.backoff.time.monotonic", lambda: 0.0)
    budget = RetryBudget(slots=4)
    saved = [budget.wait_s() for _ in range(4)]
    over = budget.wait_s()
    for _ in range(10):
        budget.asked_first()

    assert [0.0] * 4 == saved
    assert 1.0 == over
    assert [0.0, 0.0, 1.0] == [budget.wait_s() for _ in range(3)]


def test_requests_in_memory_are_bounded_in_bytes() -> None:
    """The next is made when one is done."""
    memory, stopping = RequestMemory(100), threading.Event()
    made: list[int] = []

    def make_another() -> None:
        with memory.room(stopping) as room:
            room.made(60)
            made.append(2)

    with memory.room(stopping) as first:
        first.made(60)
        with memory.room(stopping) as second:
            second.made(60)
            other = threading.Thread(target=make_another)
            other.start()
            other.join(0.2)
            while_full = list(made)
    other.join()

    assert [] == while_full
    assert [2] == made


def test_figures_survive_a_restart() -> None:
    """Through the notes of run.json, and count on."""
    figures = Figures(seconds=10.0, slots=4, slot_s=20.0)
    completion = Completion(id="x", text="A kite.", prompt_tokens=300, completion_tokens=5, attempts=3)
    figures.count([Answer(completion=completion, asked_again=("loop",))], took_s=2.0)
    figures.count([Answer(completion=Completion(id="y", failure="no answer: z"))], took_s=8.0)

    again = from_notes("single_en", as_notes("single_en", figures))

    assert figures == again
    assert (1, 1, 1, 1) == (again.made, again.failed, again.retried, again.asked_again)
    assert (0.1, 0.5, 0.5) == (again.rate, again.tokens_per_s, again.busy_share)


def test_percentiles_are_at_most_a_tenth_too_high() -> None:
    """Of a histogram of fixed size."""
    figures = Figures()
    for number in range(1, 1001):
        figures.count([Answer(completion=Completion(id="x"))], took_s=number / 100)

    assert 5.0 <= figures.latency_s(0.5) <= 5.5
    assert 9.9 <= figures.latency_s(0.99) <= 10.9
    assert len(figures.latencies) < 100
