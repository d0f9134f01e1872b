"""The assignment of units to workers."""

import pytest

from triptych.executors import MAX_DEATHS, GivenUp, Lost, WorkerDeathsError
from triptych.executors.units import Units

ERROR = WorkerDeathsError("died")


def lose(units: Units, *numbers: int, is_blamed: bool = True) -> list[GivenUp]:
    """A worker with these units dies."""
    return list(units.lose(Lost("a", numbers, "died"), ERROR, is_blamed=is_blamed))


def test_a_unit_that_a_worker_died_with_is_handed_out_alone() -> None:
    """This shows which of several units was at fault."""
    units = Units("abcd")
    assert [(0, "a"), (1, "b")] == [units.next_for(set()), units.next_for({0})]
    lose(units, 0, 1)

    assert units.next_for({2}) is None
    assert (0, "a") == units.next_for(set())
    assert units.next_for({0}) is None
    assert (1, "b") == units.next_for(set())
    assert (2, "c") == units.next_for(set())


def test_a_unit_is_given_up_at_the_third_death_but_not_the_one_beside_it() -> None:
    units = Units("ab")
    units.next_for(set()), units.next_for({0})
    assert [] == lose(units, 0, 1)
    for _ in range(MAX_DEATHS - 2):
        units.next_for(set())
        assert [] == lose(units, 0)
    assert (0, "a") == units.next_for(set())

    assert [0] == [given_up.number for given_up in lose(units, 0)]

    assert (1, "b") == units.next_for(set())
    assert units.finish(1)
    assert units.next_for(set()) is None
    assert not units.are_left


def test_deaths_that_no_unit_is_blamed_for_are_not_counted() -> None:
    """For example, if a node is taken away."""
    units = Units("a")
    for _ in range(5):
        assert (0, "a") == units.next_for(set())
        assert [] == lose(units, 0, is_blamed=False)


def test_two_units_given_up_in_a_row_are_an_error() -> None:
    """The units are hardly at fault."""
    units = Units("ab")
    for _ in range(MAX_DEATHS):
        units.next_for(set())
        lose(units, 0)
    with pytest.raises(WorkerDeathsError):
        for _ in range(MAX_DEATHS):
            units.next_for(set())
            lose(units, 1)


def test_a_slow_unit_is_given_to_an_idle_worker_too_and_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 1.5 times the median time, if there is no other unit. No third worker gets it."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    units = Units("abc", copy_after_s=1.0)
    assert [0, 1] == [units.next_for(set())[0], units.next_for(set())[0]]  # type: ignore[index]
    now = 10.0
    assert units.finish(0)
    assert (2, "c") == units.next_for(set())
    now = 14.0
    assert units.next_for(set()) is None

    now = 16.0
    assert units.next_for({2}) is None
    assert (1, "b") == units.next_for(set())

    assert units.next_for(set()) is None
    assert units.finish(1)
    assert not units.finish(1)
    assert [] == lose(units, 1)
    assert units.finish(2)
    assert not units.are_left


def test_units_far_ahead_of_a_slow_one_wait_for_it() -> None:
    """Otherwise results that are needed in order would pile up."""
    units = Units("abcdef", most_ahead=3)
    assert [0, 1, 2, None] == [(units.next_for({9}) or [None])[0] for _ in range(4)]
    units.finish(1), units.finish(2)
    assert units.next_for({9}) is None
    assert units.are_left
    units.finish(0)
    assert [3, 4, 5, None] == [(units.next_for({9}) or [None])[0] for _ in range(4)]
