"""Heartbeats of an executor's workers, tested with real processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from triptych.executors import Channel, Progressed, Work
from triptych.executors.local import LocalExecutor
from triptych.runs.executor_heartbeats import with_heartbeats
from triptych.runs.heartbeats import EngineStatus, Heartbeat, HeartbeatWriter, read_heartbeats


class Advanced(tuple[int]):
    """Progress, in the form in which the embedding pipeline reports it."""

    items = 5


def counts_items(name: str) -> Work:
    def work(channel: Channel) -> None:
        for number, _ in channel.units():
            channel.progress(number, Advanced((number,)))
            channel.finish(number)

    return work


def test_a_heartbeat_names_the_current_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even before the first unit is finished."""
    monkeypatch.setattr("triptych.runs.heartbeats.HEARTBEAT_INTERVAL_S", 0.05)
    with HeartbeatWriter(tmp_path, "waits", "a") as heartbeat:
        heartbeat.take(0, "sa_000007")
        beat = _wait_for_heartbeat(tmp_path, lambda beat: beat.unit != "")

    assert ("sa_000007", "waits", "a", False) == (beat.unit, beat.purpose, beat.worker, beat.ended)
    assert 0 <= beat.unit_since - beat.began_at < 5
    assert read_heartbeats(tmp_path)[0].ended


def test_heartbeats_do_not_change_the_events_of_an_executor(tmp_path: Path) -> None:
    """Each worker is a process with its own heartbeat."""

    def units() -> Iterator[int]:
        """The last unit waits until both workers have begun; otherwise one alone might finish them all."""
        yield from range(5)
        deadline = time.monotonic() + 60
        while len(read_heartbeats(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield 5

    opened = with_heartbeats(LocalExecutor, tmp_path)
    with opened("ab", counts_items, purpose="counts") as executor:
        events = list(executor.run(units()))
        assert 2 == len(read_heartbeats(tmp_path))

    assert 6 == sum(isinstance(event, Progressed) for event in events)
    assert [("a", True), ("b", True)] == [(beat.worker, beat.ended) for beat in read_heartbeats(tmp_path)]


def test_workers_that_are_ended_have_counted_all_that_they_did(tmp_path: Path) -> None:
    """Though an executor ends them without notice."""
    with with_heartbeats(LocalExecutor, tmp_path)("ab", counts_items, purpose="counts") as executor:
        list(executor.run(range(6)))
    beats = read_heartbeats(tmp_path)

    assert (6, 30) == (sum(beat.units for beat in beats), sum(beat.items for beat in beats))


def test_heartbeats_of_earlier_workers_are_removed(tmp_path: Path) -> None:
    """Those of workers with another purpose stay."""
    with HeartbeatWriter(tmp_path, "counts", "c"), HeartbeatWriter(tmp_path, "paints", "c"):
        pass
    with with_heartbeats(LocalExecutor, tmp_path)("a", counts_items, purpose="counts") as executor:
        list(executor.run("u"))

    assert [("counts", "a"), ("paints", "c")] == [(b.purpose, b.worker) for b in read_heartbeats(tmp_path)]


def test_work_continues_if_heartbeats_cannot_be_written(tmp_path: Path) -> None:
    """The work matters more than its heartbeats."""
    (tmp_path / "workers").write_bytes(b"in the way")

    with with_heartbeats(LocalExecutor, tmp_path)("ab", counts_items, purpose="counts") as executor:
        assert 12 == len(list(executor.run(range(6))))


def test_a_clock_that_is_set_back_changes_no_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are measured by another clock."""
    with HeartbeatWriter(tmp_path, "counts", "a", lambda: EngineStatus(time.monotonic(), 1)) as heartbeat:
        heartbeat.advance(7)
        monkeypatch.setattr(time, "time", lambda: 1000.0)

    (beat,) = read_heartbeats(tmp_path)
    assert 1000 == beat.at
    assert 0 < beat.recent_s < 60
    assert 1 == pytest.approx(beat.in_flight, abs=0.2)


def test_a_damaged_heartbeat_is_skipped(tmp_path: Path) -> None:
    """The others are still read."""
    with HeartbeatWriter(tmp_path, "counts", "c"):
        pass
    (tmp_path / "workers" / "other.json").write_bytes(b"\xff{")

    assert ["c"] == [beat.worker for beat in read_heartbeats(tmp_path)]


def test_recent_items_exclude_work_before_the_pace_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the throughput is that of the last minutes."""
    monkeypatch.setattr("triptych.runs.heartbeats.HEARTBEAT_INTERVAL_S", 0.02)
    monkeypatch.setattr("triptych.runs.heartbeats.PACE_WINDOW_S", 0.2)
    with HeartbeatWriter(tmp_path, "counts", "c") as heartbeat:
        heartbeat.take(0, "first")
        heartbeat.advance(1000)
        heartbeat.finish(0)
        beat = _wait_for_heartbeat(tmp_path, lambda beat: beat.units == 1 and beat.recent_units == 0)

    assert (1000, 0) == (beat.items, beat.recent_items)
    assert 0 < beat.recent_waited_s <= beat.recent_s + 0.05


def _wait_for_heartbeat(run: Path, wanted: Callable[[Heartbeat], bool]) -> Heartbeat:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for beat in read_heartbeats(run):
            if wanted(beat):
                return beat
        time.sleep(0.01)
    raise AssertionError(f"no such heartbeat: {read_heartbeats(run)}")
