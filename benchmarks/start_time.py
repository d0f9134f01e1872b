"""Time until a run prints its first lines, and CPU time of its imports: medians of 7 runs.

    python -m benchmarks.start_time

Runs `triptych group` on one picture with the embedded encoder on a CPU. Measures seconds until its first
line, seconds until it loads the encoder, and its CPU time, nearly all of which is spent on imports.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.record import record, refuse_dirty_tree
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

RUNS = 7
MAX_FIRST_LINE_S = 1.0
MAX_PROCESSOR_S = 5.0


class Start(NamedTuple):
    """Seconds since the start of one run, and its CPU time."""

    first_line_s: float
    loading_line_s: float
    processor_s: float


def start(pictures: Path, out: Path) -> Start:
    """Group ``pictures`` into a new run folder."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, began = _processor_s(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "triptych", "group", pictures, "--out", out, "--encoder", "builtin:nano-clip"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    lines = [(time.perf_counter() - began, line) for line in process.stderr]
    if process.wait():
        sys.exit("".join(line for _, line in lines))
    loading_s = next(at for at, line in lines if "loading the encoder" in line)
    return Start(lines[0][0], loading_s, _processor_s() - before)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and record the result; exit 1 if the first line or the CPU time exceeds its limit."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch, "pictures")
        pictures.mkdir()
        paint(imagine_scene("unseen", 1), 336, 224).save(pictures / "one.png")
        start(pictures, Path(scratch, "warm"))  # compiles bytecode
        starts = [start(pictures, Path(scratch, f"run{number}")) for number in range(RUNS)]
    median = Start(*(statistics.median(column) for column in zip(*starts, strict=True)))
    measured: dict[str, object] = {name: round(value, 2) for name, value in median._asdict().items()}
    limits = {"most_first_line_s": MAX_FIRST_LINE_S, "most_processor_s": MAX_PROCESSOR_S}
    record("start_time", "python -m benchmarks.start_time", {**measured, **limits})
    sys.exit(median.first_line_s > MAX_FIRST_LINE_S or median.processor_s > MAX_PROCESSOR_S)


if __name__ == "__main__":
    main()
