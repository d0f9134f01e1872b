"""SIGKILL a captioning client at seeded moments, resume it each time, and count the repeated requests.

    python -m benchmarks.caption_kill [--kills 20] [--seed 1] [--images 1500]

Exits 1 if a caption is missing or there twice, or if one that was on disk was requested again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import msgspec

from benchmarks.record import record, refuse_dirty_tree
from tests.support.fault_server import FaultServer
from tests.support.killing import MAX_IN_FLIGHT, kill_and_resume
from tests.support.made_up_run import make_up_run


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--images", default=1500, show_default=True)
def main(kills: int, seed: int, images: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        made_up = make_up_run(Path(scratch), images)
        with FaultServer(slots=MAX_IN_FLIGHT, latency_s=0.25) as server:
            killed = kill_and_resume(made_up, server, kills, seed)
    measured = {"images": images, "max_in_flight": MAX_IN_FLIGHT, **msgspec.to_builtins(killed)}
    command = f"python -m benchmarks.caption_kill --kills {kills} --seed {seed} --images {images}"
    record("caption_kill", command, measured)
    all_there = images == killed.rows == killed.distinct_rows
    if not all_there or killed.asked_again_though_written or killed.asked_again > killed.in_flight_at_kills:
        sys.exit(1)


if __name__ == "__main__":
    main()
