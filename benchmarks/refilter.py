"""Time and memory to filter a run again with another threshold.

    python -m benchmarks.refilter [--captions 200000]

Makes a run with captions of the length of InternVL-SA-1B-Caption (single images, English) and filters it with
`triptych filter RUN --fresh verdicts --set ...`, with one worker process and with two. ``of_12m_minutes``
extrapolates CPU time linearly to 12 million captions: that of the parent (reading, duplicates, writing) plus
that of its children (rules and sketches) divided by 2 or 32 cores. It is an upper limit as far as the two
overlap, but sorting duplicates grows a little faster, and the 154,000 captions of sets are longer. Memory is
the peak of the parent plus its largest child, for a quarter of the captions and for all: data between passes
are in files, with a few numbers per caption in memory. Processes are the workers and Python's resource
tracker.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from benchmarks.synthetic_run import make_run

SEED_CAPTIONS = 12_154_000
"""InternVL-SA-1B-Caption: 11M and 1M captions of single images, 77,000 and 77,000 of sets."""

FILTER = """
import resource, sys, threading, time
from triptych.cli import main
from pathlib import Path
most, stop = [0], []
def children():
    ids = Path("/proc/self/task").glob("*/children")
    return [pid for each in ids for pid in each.read_text().split()]
def watch():
    while not stop:
        most[0] = max(most[0], len(children()))
        time.sleep(0.2)
threading.Thread(target=watch, daemon=True).start()
began = time.monotonic()
try:
    main()
finally:
    stop.append(1)
    own, them = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = [u.ru_utime + u.ru_stime for u in (own, them)]
    print("MEASURED", time.monotonic() - began, *cpu, (own.ru_maxrss + them.ru_maxrss) / 1024**2, most[0])
"""


def refilter(run: Path, workers: int, threshold: int) -> dict[str, float]:
    """Filter ``run`` from scratch with another threshold."""
    command = ["filter", str(run), "--fresh", "verdicts", "--set", f"filtering.workers={workers}"]
    command += ["--set", f"filtering.thresholds.too_short={threshold}"]
    for rule in ("near_duplicate", "exact_duplicate", "wrong_language", "repeated"):
        command += ["--accept", rule]
    answer = subprocess.run([sys.executable, "-c", FILTER, *command], capture_output=True, text=True)
    found = re.search(r"^MEASURED (\S+) (\S+) (\S+) (\S+) (\S+)", answer.stdout, re.MULTILINE)
    if answer.returncode or not found:
        raise click.ClickException(f"filter exited {answer.returncode}: {answer.stderr[-500:]}")
    took_s, parent_s, children_s, peak_gib, processes = map(float, found.groups())
    return {
        "took_s": round(took_s, 1),
        "parent_processor_s": round(parent_s, 1),
        "children_processor_s": round(children_s, 1),
        "peak_gib": round(peak_gib, 2),
        "child_processes": int(processes),
    }


@click.command()
@click.option("--captions", default=200_000)
def main(captions: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    load_average = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        quarter, whole = Path(folder) / "quarter", Path(folder) / "whole"
        made = {
            run: make_run(run, count).path for run, count in ((quarter, captions // 4), (whole, captions))
        }
        measured: dict[str, object] = {
            "captions": captions,
            "quarter_two_workers": refilter(made[quarter], 2, 16),
            "one_worker": refilter(made[whole], 1, 17),
            "two_workers": (two := refilter(made[whole], 2, 18)),
        }
    measured["of_12m_minutes"] = {
        f"{cores} cores": round(
            (two["parent_processor_s"] + two["children_processor_s"] / cores) / captions * SEED_CAPTIONS / 60
        )
        for cores in (2, 32)
    }
    measured["load_average_before"] = load_average
    record("refilter", f"python -m benchmarks.refilter --captions {captions}", measured)


if __name__ == "__main__":
    main()
