"""The memory of a captioning client over very many requests, with a plot.

    python -m benchmarks.caption_memory [--requests 100000]

Runs `triptych caption` with two jobs on half as many small images, against a local server with 1,024 slots
of 250 ms. One request in a hundred fails, so that retries are included. Resident memory is read every second.
It counts as flat if the mean of the last quarter is at most MAX_GROWTH_MIB above that of the third quarter:
the first half is the first job, which fills caches of bounded size (64 MiB of fitted images), and the start
of the second job is a step. Exits 1 otherwise.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.line_plot import line_plot
from benchmarks.record import ROOT, record, refuse_dirty_tree
from tests.support.fault_server import FaultServer
from tests.support.made_up_run import MadeUpRun, make_up_run

JOBS: tuple[str, ...] = ("single_en", "single_zh")
SLOTS = 1024
FAULTS = 0.01
MAX_GROWTH_MIB = 8.0
MIB = 1024 * 1024


@click.command()
@click.option("--requests", default=100_000, show_default=True)
def main(requests: int) -> None:
    """Measure, plot and record the result."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        click.echo(f"making {requests // 2:,} images", err=True)
        made_up = make_up_run(Path(scratch), requests // 2)
        with FaultServer(slots=SLOTS, latency_s=0.25, faults=FAULTS) as server:
            points, cpu_s, exit_code = _watch(made_up, server)
        rows = sum(len(made_up.rows(job)) for job in JOBS)
    quarter = len(points) // 4
    third, last = points[2 * quarter : 3 * quarter], points[-quarter:]
    growth = statistics.mean(mib for _, mib in last) - statistics.mean(mib for _, mib in third)
    command = f"python -m benchmarks.caption_memory --requests {requests}"
    title = f"Resident memory of triptych caption over {requests:,} requests"
    record(
        "caption_memory",
        command,
        {
            "requests": requests,
            "rows": rows,
            "seconds": round(points[-1][0], 1),
            "requests_per_s": round(requests / points[-1][0], 1),
            "client_cpu_ms_per_request": round(1000 * cpu_s / requests, 2),
            "highest_mib": max(mib for _, mib in points),
            "growth_mib": round(growth, 2),
            "second_and_mib": points[:: max(1, len(points) // 200)],
        },
        plot=line_plot(points, title, "seconds", "MiB"),
    )
    if exit_code or rows != requests or growth > MAX_GROWTH_MIB:
        sys.exit(1)


def _watch(made_up: MadeUpRun, server: FaultServer) -> tuple[list[tuple[float, float]], float, int]:
    """(seconds, MiB) for every second, CPU seconds, exit code."""
    command = made_up.command(server.urls, JOBS, max_in_flight=SLOTS)
    process = subprocess.Popen(command, cwd=ROOT)
    began = time.monotonic()
    points: list[tuple[float, float]] = []
    cpu_s = 0.0
    while process.poll() is None:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        user, system, pages = int(fields[11]), int(fields[12]), int(fields[21])
        if pages:  # none once it has ended
            rss_mib = pages * os.sysconf("SC_PAGE_SIZE") / MIB
            points.append((round(time.monotonic() - began, 1), round(rss_mib, 1)))
            cpu_s = (user + system) / os.sysconf("SC_CLK_TCK")
        time.sleep(1.0)
    return points, cpu_s, process.wait()


if __name__ == "__main__":
    main()
