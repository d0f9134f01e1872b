"""The memory of a cluster's driver for 10,000 shards of simulated work, and how soon a killed run resumes.

    python -m benchmarks.cluster_driver [--shards 10000]

Ray workers do units that take a hundredth of a second. Then a run with as many small shards is captioned on
the cluster, killed after WORKS_FOR_S and started again: measured is the time until the workers are ready and
the missing captions are known.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from benchmarks.record import record, refuse_dirty_tree
from tests.crash.engine import ASKED
from tests.support import made_up_run
from tests.support.made_up_run import make_up_run
from tests.support.ray_nodes import RayNodes
from triptych.executors import PerUnit, in_order

IMAGES_A_SHARD = 10
WORKS_FOR_S = 20.0
"""Seconds of work before the run is killed."""


class Shard(msgspec.Struct, frozen=True):
    """A unit of work, of the size of a TarShard."""

    name: str
    path: str


def make_work(_: str) -> Callable[[Shard], str]:
    """Work that takes a hundredth of a second."""

    def work(shard: Shard) -> str:
        time.sleep(0.01)
        return shard.name

    return work


@click.command()
@click.option("--shards", default=10_000, show_default=True)
def main(shards: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    os.environ[ASKED] = os.devnull
    nodes = RayNodes()
    measured: dict[str, object] = {"shards": shards}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            with nodes.open(Path(scratch, "shared")) as cluster:
                samples = []
                made = (Shard(f"sa_{n:06d}", f"/data/sa1b/sa_{n:06d}.tar") for n in range(shards))
                with cluster.open_executor(["stand-in"], PerUnit(make_work), purpose="waits") as executor:
                    for number, _ in enumerate(in_order(executor, made)):
                        if number % max(1, shards // 10) == 0:
                            samples.append(_resident_mib())
            measured |= {
                "driver_mib": [round(each) for each in samples],
                "driver_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
            measured["resumed_start_s"] = _resumed_start_s(Path(scratch), shards, nodes.address)
    finally:
        nodes.shut_down()
    record("cluster_driver", f"python -m benchmarks.cluster_driver --shards {shards}", measured)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _resumed_start_s(folder: Path, shards: int, address: str) -> float:
    """Seconds from the command to its first line about captions, for a run that was killed."""
    made_up_run.IMAGES_A_SHARD = IMAGES_A_SHARD
    made = make_up_run(folder, shards * IMAGES_A_SHARD)
    command = [
        *(sys.executable, "-m", "triptych", "caption", str(made.path), "--cluster", address),
        *("--job=single_en", "--set", "captioning.engine=tests.support.slow_marks:SPEC"),
        *("--set", "captioning.canary.every_s=0"),
    ]
    for _ in range(2):
        began = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            lines = iter(process.stderr)
            assert any("slow marks" in line or "marks and so on" in line for line in lines)
            took_s = time.monotonic() - began
            time.sleep(WORKS_FOR_S)
            process.kill()
    return round(took_s, 1)


if __name__ == "__main__":
    from benchmarks.cluster_driver import main  # as a module whose functions workers can import

    main()
