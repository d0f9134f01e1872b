"""How many requests an endpoint gets at a time, and when one is sent again."""

from __future__ import annotations

import email.utils
import time

import pytest

from triptych.captioning.endpoints.backoff import (
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER_S,
    ConcurrencyLimit,
    pause_s,
    retry_after_s,
)


def rounds(limit: ConcurrencyLimit, count: int, overloaded_of_ten: int) -> None:
    """Runs ``count`` rounds in which ``overloaded_of_ten`` of ten requests meet overload."""
    for _ in range(count):
        for number in range(limit.limit):
            limit.ended(overloaded=number % 10 < overloaded_of_ten)


def test_a_limit_begins_at_its_ceiling_and_stays_there() -> None:
    """As long as nothing fails."""
    limit = ConcurrencyLimit(64)
    rounds(limit, 20, 0)

    assert 64 == limit.limit


def test_overload_of_all_requests_halves_the_limit_and_overload_of_few_hardly_lowers_it() -> None:
    """It is lowered by half the share of requests that met overload, and then raised by one."""
    all_overloaded, few_overloaded = ConcurrencyLimit(64), ConcurrencyLimit(64)
    rounds(all_overloaded, 1, 10)
    rounds(few_overloaded, 1, 1)

    assert 33 == all_overloaded.limit
    assert 61 == few_overloaded.limit


def test_a_limit_converges_to_the_capacity_of_a_server() -> None:
    """The server has room for 40 requests and refuses the rest. The limit ends near 40."""
    limit = ConcurrencyLimit(64)
    for _ in range(200):
        now = limit.limit
        for number in range(now):
            limit.ended(overloaded=number >= 40)

    assert 38 <= limit.limit <= 44


def test_a_limit_starts_over_at_one_after_a_rest_and_doubles() -> None:
    """A server that has just started isn't overloaded, and is soon busy."""
    limit = ConcurrencyLimit(64)
    limit.restart()
    seen = [limit.limit]
    for _ in range(6):
        for _ in range(limit.limit):
            limit.ended(overloaded=False)
        seen.append(limit.limit)

    assert seen[:3] == [1, 2, 4]
    assert 64 == seen[-1]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0.0), ("7", 7.0), ("-3", 0.0), ("99999", LONGEST_RETRY_AFTER_S), ("soon", 0.0), ("nan", 0.0)],
)
def test_retry_after_may_be_seconds(header: str | None, seconds: float) -> None:
    """They are capped. An unreadable value means no pause."""
    assert seconds == retry_after_s(header)


def test_retry_after_may_be_a_date() -> None:
    """In HTTP's form. A past date means no pause."""
    now = time.time()

    assert 15 < retry_after_s(email.utils.formatdate(now + 20, usegmt=True)) <= 20
    assert 0.0 == retry_after_s(email.utils.formatdate(now - 20, usegmt=True))


def test_pauses_grow_are_jittered_and_bounded() -> None:
    """Between half and all of 0.5, 1, 2, ... seconds."""
    pauses = {errors: [pause_s(errors) for _ in range(50)] for errors in (1, 3, 99)}

    assert all(0.25 <= pause <= 0.5 for pause in pauses[1])
    assert all(1.0 <= pause <= 2.0 for pause in pauses[3])
    assert all(LONGEST_PAUSE_S / 2 <= pause <= LONGEST_PAUSE_S for pause in pauses[99])
    assert len(set(pauses[1])) > 40
