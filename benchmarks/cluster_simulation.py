"""Throughput of a simulated Ray cluster of 50 workers whose nodes die and join, with stragglers.

    python -m benchmarks.cluster_simulation [--units 1000] [--seed 1]

Five raylets with ten workers each, of a tenth of a CPU, simulate 50 nodes: a real Ray node takes 300 MB, and
there are two cores. The work of a unit is to sleep, 4 s on average: the mean of sixteen answers, each drawn
from a log-normal distribution with the spread that the fault benchmark measured (median 0.8 s, 95th
percentile 2.5 s). Every fortieth unit meets a worker that is ten times slower during that unit, as on a node
that is throttled or waits for its disk. Twice a raylet is killed and another one joins.

The ideal is all work divided by the available capacity: the seconds of workers that are ready, with the
seconds of stragglers counted at a tenth. No scheduler can recover the time lost by a slow worker; what it can
lose is the rest, through idle workers, repeated units and a long tail. The share with stragglers' seconds
counted in full is recorded too.
"""

from __future__ import annotations

import math
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import click
import msgspec

from benchmarks.record import record, refuse_dirty_tree
from tests.support.ray_nodes import RayNodes
from triptych.executors import Finished, Lost, PerUnit

RAYLETS, WORKERS_A_RAYLET = 5, 10
MEAN_S = 4.0
SIGMA = math.log(2.5 / 0.8) / 1.645
ANSWERS_A_UNIT = 16
STRAGGLES_EVERY, SLOWER = 40, 10.0
MIN_THROUGHPUT, MAX_TAIL_UNITS = 0.9, 3.0


class Unit(msgspec.Struct, frozen=True):
    """The captions of one shard."""

    number: int
    takes_s: float
    straggles: str
    """A file that the first attempt writes (process, start, end) and is slow; empty: never slow."""


def make_work(_: str) -> Callable[[Unit], int]:
    """Work that sleeps, and returns the unit's number."""

    def work(unit: Unit) -> int:
        if unit.straggles and not Path(unit.straggles).exists():
            began = f"{os.getpid()} {time.time()}"
            Path(unit.straggles).write_text(began)
            time.sleep(unit.takes_s * SLOWER)
            Path(unit.straggles).write_text(f"{began} {time.time()}")
        else:
            time.sleep(unit.takes_s)
        return unit.number

    return work


def straggled_s(work: Sequence[Unit]) -> float:
    """Seconds that straggling workers have spent until now, without those that were killed meanwhile."""
    total_s = 0.0
    for unit in work:
        if unit.straggles and Path(unit.straggles).exists():
            pid, began, *ended = Path(unit.straggles).read_text().split()
            if ended or Path("/proc", pid).exists():
                total_s += float(ended[0] if ended else time.time()) - float(began)
    return total_s


@click.command()
@click.option("--units", default=1000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(units: int, seed: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    rng = random.Random(seed)
    nodes = RayNodes(workers=RAYLETS)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            work = [
                Unit(
                    number,
                    MEAN_S * fmean(_answer(rng) for _ in range(ANSWERS_A_UNIT)),
                    f"{scratch}/{number}" if number % STRAGGLES_EVERY == 0 else "",
                )
                for number in range(units)
            ]
            measured = _simulate(nodes, Path(scratch, "shared"), work)
    finally:
        nodes.shut_down()
    command = f"python -m benchmarks.cluster_simulation --units {units} --seed {seed}"
    record("cluster_simulation", command, measured)
    share, tail = measured["share_of_ideal"], measured["tail_units"]
    if share < MIN_THROUGHPUT or tail > MAX_TAIL_UNITS or measured["lost"]:  # type: ignore[operator]
        sys.exit(1)


def _answer(rng: random.Random) -> float:
    """The relative duration of an answer, 1 on average."""
    return math.exp(rng.gauss(0.0, SIGMA) - SIGMA**2 / 2)


def _simulate(nodes: RayNodes, folder: Path, work: list[Unit]) -> dict[str, object]:
    done: list[int] = []
    losses = 0
    last_given = 0.0
    with nodes.open(folder, cpus_per_worker=1 / WORKERS_A_RAYLET) as cluster:
        set_up = PerUnit(make_work)
        with cluster.open_executor(["stand-in"], set_up, purpose="waits", ahead=0) as executor:
            while executor.workers < RAYLETS * WORKERS_A_RAYLET or not _are_ready(executor):
                next(iter(executor.run([Unit(0, 0.1, "")])))
            ready_time = _ReadyTime(executor)

            def given() -> Iterator[Unit]:
                nonlocal last_given
                for at, unit in enumerate(work):
                    if at in (len(work) // 3, 2 * len(work) // 3):
                        threading.Thread(target=nodes.swap, daemon=True).start()
                    last_given = time.time()
                    yield unit

            began = time.monotonic()
            for event in executor.run(given()):
                if isinstance(event, Finished):
                    done.append(event.result)
                elif isinstance(event, Lost):
                    losses += bool(event.numbers)
            took_s, tail_s = time.monotonic() - began, time.time() - last_given
            worker_s, slow_s = ready_time.stop(), straggled_s(work)
    work_s = sum(unit.takes_s for unit in work)
    capacity_s = worker_s - slow_s * (1 - 1 / SLOWER)
    return {
        "units": len(work),
        "workers_on_average": round(worker_s / took_s, 1),
        "mean_unit_s": MEAN_S,
        "longest_unit_s": round(max(unit.takes_s for unit in work), 1),
        "stragglers": sum(bool(unit.straggles) for unit in work),
        "straggled_s": round(slow_s, 1),
        "workers_lost_at_work": losses,
        "took_s": round(took_s, 1),
        "ideal_s": round(work_s / (capacity_s / took_s), 1),
        "share_of_ideal": round(work_s / capacity_s, 4),
        "share_with_stragglers_in_full": round(work_s / worker_s, 4),
        "tail_units": round(tail_s / MEAN_S, 2),
        "lost": len(work) - len(set(done)),
        "twice": len(done) - len(set(done)),
    }


def _are_ready(executor: object) -> bool:
    return all(worker.is_ready for worker in executor._workers.values())  # type: ignore[attr-defined]


class _ReadyTime:
    """Adds up the seconds of all workers that are ready."""

    def __init__(self, executor: object) -> None:
        self._executor, self._worker_s = executor, 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._ending.set()
        self._thread.join()
        return self._worker_s

    def _count(self) -> None:
        before = time.monotonic()
        while not self._ending.wait(0.1):
            now = time.monotonic()
            workers = list(self._executor._workers.values())  # type: ignore[attr-defined]
            self._worker_s += (now - before) * sum(worker.is_ready for worker in workers)
            before = now


if __name__ == "__main__":
    from benchmarks.cluster_simulation import main  # as a module whose functions workers can import

    main()
