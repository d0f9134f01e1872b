"""Workers in `triptych status`, from their heartbeats."""

import time
from pathlib import Path

import pytest

from tests.triptych.conftest import Command
from triptych.runs.heartbeats import EndpointStatus, Heartbeat, write_heartbeat
from triptych.workers import worker_lines, worker_states

NOW = 1_000_000.0


def write_worker(run: Path, worker: str, **fields: object) -> None:
    """Write the heartbeat of a worker that has embedded 3,000 images in 300 s, with ``fields`` changed."""
    beat = Heartbeat(
        **{
            "worker": worker,
            "purpose": "embeds images",
            "host": f"node-{worker}",
            "pid": 7,
            "began_at": NOW - 1000,
            "at": NOW - 3,
            "units": 4,
            "items": 3000,
            "unit": f"sa_{worker}",
            "unit_since": NOW - 8,
            "recent_s": 300.0,
            "recent_units": 3,
            "recent_items": 3000,
            "recent_cpu_s": 240.0,
        }
        | fields  # type: ignore[arg-type]
    )
    write_heartbeat(run, beat)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pressure": {"cpu": 0.1, "io": 0.63, "memory": 0.0}}, "its node waits for disk or network 63%"),
        ({"pressure": {"cpu": 0.2, "io": 0.1, "memory": 0.4}}, "its node is short of memory 40%"),
        ({"pressure": {"cpu": 0.9}}, "its node is short of processors 90%"),
        ({"recent_waited_s": 150.0}, "it waited for work 50%"),
        ({"slots": 64, "in_flight": 8.0, "endpoints": (EndpointStatus(
            url="http://a", in_flight=8, slots=64, mean_latency_s=1.0, is_well=True),)},
         "8 of its engine's 64 slots are taken"),
        ({}, "its node gives no reason; its process used 0.8 cores"),
    ],
)  # fmt: skip
def test_a_slow_worker_is_named_with_the_reason(
    fields: dict[str, object], reason: str, tmp_path: Path
) -> None:
    """A worker is slow if its pace is less than half the median of those with the same work."""
    write_worker(tmp_path, "a")
    write_worker(tmp_path, "b")
    write_worker(tmp_path, "c", recent_items=600, **fields)

    slow = [(state.worker, state.slow_because) for state in worker_states(tmp_path, NOW)]

    assert ["", ""] == [why for _, why in slow[:2]]
    assert slow[2][1].startswith("20% of the median pace: ") and reason in slow[2][1]


def test_a_worker_without_others_at_the_same_work_is_not_slow(tmp_path: Path) -> None:
    """There is nothing to compare it with."""
    write_worker(tmp_path, "a")
    write_worker(tmp_path, "b", purpose="scores captions", items=0, recent_units=1)

    assert ["", ""] == [state.slow_because for state in worker_states(tmp_path, NOW)]


def test_workers_are_shown_by_node_with_pace_and_unit(tmp_path: Path) -> None:
    """A silent worker is shown with its unfinished unit. One that ended isn't shown."""
    write_worker(tmp_path, "a")
    write_worker(tmp_path, "b", at=NOW - 720)
    write_worker(tmp_path, "c", unit="", unit_since=0.0)
    write_worker(tmp_path, "d", ended=True)
    write_worker(tmp_path, "e", purpose="scores captions", items=0, recent_items=0)

    assert [
        "workers: 3 of 4 there, on 4 nodes",
        "  node-a a, embeds images: 10.0/s, sa_a for 5 s",
        "  node-b b, embeds images: silent for 12 min with sa_b in hand: its process, its node or the file"
        " system is gone",
        "  node-c c, embeds images: 10.0/s, waits for work",
        "  node-e e, scores captions: 36 units/h, sa_e for 5 s",
    ] == list(worker_lines(worker_states(tmp_path, NOW)))


def test_the_report_also_shows_workers_that_have_ended(run: Path, triptych: Command) -> None:
    """With their work, and the time it took."""
    write_worker(run, "a", ended=True)
    outcome = triptych("report", run)

    assert 0 == outcome.exit_code, outcome.stderr
    page = (run / "report" / "index.html").read_text("utf-8")
    assert "node-a a, embeds images: 3,000 in 4 units in 17 min, ended" in page


def test_of_many_workers_only_slow_and_silent_ones_are_listed(tmp_path: Path) -> None:
    """One of each among a hundred."""
    for number in range(100):
        write_worker(tmp_path, str(number), **({"recent_items": 600} if number == 7 else {}))
    write_worker(tmp_path, "gone", at=NOW - 720)

    lines = list(worker_lines(worker_states(tmp_path, NOW)))

    assert "workers: 100 of 101 there, on 101 nodes" == lines[0]
    assert "  99 have nothing to tell; --json shows all" == lines[1]
    assert ["  node-7 7,", "  node-gone gone,"] == [line.split(" embeds")[0] for line in lines[2:]]


def test_endpoints_of_a_captioner_are_shown_and_slow_ones_marked(tmp_path: Path) -> None:
    """So is one that gives no answers."""
    endpoints = tuple(
        EndpointStatus(url=f"http://{name}", in_flight=9, slots=64, mean_latency_s=s, is_well=name != "c")
        for name, s in (("a", 2.0), ("b", 2.2), ("c", 0.0), ("d", 9.0))
    )
    write_worker(tmp_path, "x", purpose="makes captions", slots=256, in_flight=31.0, endpoints=endpoints)

    lines = list(worker_lines(worker_states(tmp_path, NOW)))

    assert "  node-x x, makes captions: 10.0/s, 31 of 256 slots taken, sa_x for 5 s" == lines[1]
    assert "    http://a: 9 of 64 slots, 2.0 s an answer" == lines[2]
    assert "    http://c: 9 of 64 slots, 0.0 s an answer, gives no answers" == lines[4]
    assert "    http://d: 9 of 64 slots, 9.0 s an answer, slow" == lines[5]


def test_status_shows_workers_only_while_they_run(run: Path, triptych: Command) -> None:
    """Those that made the finished run have ended."""
    before = triptych("status", run)
    write_worker(run, "a", at=time.time(), unit_since=time.time() - 5)
    after = triptych("status", run)

    assert 0 == before.exit_code and "workers:" not in before.stdout
    assert "workers: 1 of 1 there, on 1 node\n  node-a a, embeds images: 10.0/s, sa_a for " in after.stdout
    assert '"worker":"a"' in triptych("status", run, "--json").stdout.replace(" ", "")
