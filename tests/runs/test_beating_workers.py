"""Heartbeats of the workers of an executor, in real processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from triptych.executors import Desk, Progressed, Work
from triptych.executors.local import LocalExecutor
from triptych.runs.beating_workers import with_heartbeats
from triptych.runs.heartbeats import Beat, Heart, read_beats


class Advanced(tuple[int]):
    """Progress as the embedding pipeline reports it."""

    items = 5


def counts_items(name: str) -> Work:
    def work(desk: Desk) -> None:
        for number, _ in desk.units():
            desk.progress(number, Advanced((number,)))
            desk.finish(number)

    return work


def test_a_worker_at_work_says_what_it_has_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file of its own, before its first unit is done."""
    monkeypatch.setattr("triptych.runs.heartbeats.BEAT_EVERY_S", 0.05)
    with Heart(tmp_path, "waits", "a") as heart:
        heart.take(0, "sa_000007")
        beat = _first(tmp_path, lambda beat: beat.unit != "")

    assert ("sa_000007", "waits", "a", False) == (beat.unit, beat.purpose, beat.worker, beat.ended)
    assert 0 <= beat.unit_since - beat.began_at < 5
    assert read_beats(tmp_path)[0].ended


def test_what_workers_hand_in_is_counted_through_the_executor(tmp_path: Path) -> None:
    """Each in its own process; the executor's events pass unchanged."""

    def units() -> Iterator[int]:
        """The last one when both have begun: one alone may be done with all by then."""
        yield from range(5)
        deadline = time.monotonic() + 60
        while len(read_beats(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield 5

    opened = with_heartbeats(LocalExecutor, tmp_path)
    with opened("ab", counts_items, purpose="counts") as executor:
        events = list(executor.run(units()))
        assert 2 == len(read_beats(tmp_path))

    assert 6 == sum(isinstance(event, Progressed) for event in events)
    assert [("a", True), ("b", True)] == [(beat.worker, beat.ended) for beat in read_beats(tmp_path)]


def test_beats_of_an_earlier_crew_go_when_a_new_one_begins(tmp_path: Path) -> None:
    """Of the same work only."""
    with Heart(tmp_path, "counts", "c"), Heart(tmp_path, "paints", "c"):
        pass
    with with_heartbeats(LocalExecutor, tmp_path)("a", counts_items, purpose="counts") as executor:
        list(executor.run("u"))

    assert [("counts", "a"), ("paints", "c")] == [(b.purpose, b.worker) for b in read_beats(tmp_path)]


def test_work_goes_on_where_beats_cannot_be_written(tmp_path: Path) -> None:
    """They are worth nothing beside it."""
    (tmp_path / "workers").write_bytes(b"in the way")

    with with_heartbeats(LocalExecutor, tmp_path)("ab", counts_items, purpose="counts") as executor:
        assert 12 == len(list(executor.run(range(6))))


def test_a_damaged_beat_is_passed_over(tmp_path: Path) -> None:
    """The others are read."""
    with Heart(tmp_path, "counts", "c"):
        pass
    (tmp_path / "workers" / "other.json").write_bytes(b"\xff{")

    assert ["c"] == [beat.worker for beat in read_beats(tmp_path)]


def test_a_pace_is_of_the_last_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done before that doesn't count."""
    monkeypatch.setattr("triptych.runs.heartbeats.BEAT_EVERY_S", 0.02)
    monkeypatch.setattr("triptych.runs.heartbeats.PACE_OVER_S", 0.2)
    with Heart(tmp_path, "counts", "c") as heart:
        heart.take(0, "first")
        heart.advance(1000)
        heart.hand_in(0)
        beat = _first(tmp_path, lambda beat: beat.units == 1 and beat.recent_units == 0)

    assert (1000, 0) == (beat.items, beat.recent_items)
    assert 0 < beat.recent_waited_s <= beat.recent_s + 0.05


def _first(run: Path, wanted: Callable[[Beat], bool]) -> Beat:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for beat in read_beats(run):
            if wanted(beat):
                return beat
        time.sleep(0.01)
    raise AssertionError(f"no such beat: {read_beats(run)}")
