"""How soon a run says what it does, and what its imports cost: the median of 7 runs.

    python -m benchmarks.start_time

`triptych group` of one picture with the embedded encoder on a CPU: seconds until its first line, until it
says that it loads the encoder, and the processor time of all of it, of which nearly all is imports.
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
MOST_FIRST_LINE_S = 1.0
MOST_PROCESSOR_S = 5.0


class Start(NamedTuple):
    """One run, in seconds since its start."""

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
    said = [(time.perf_counter() - began, line) for line in process.stderr]
    if process.wait():
        sys.exit("".join(line for _, line in said))
    loading_s = next(at for at, line in said if "loading the encoder" in line)
    return Start(said[0][0], loading_s, _processor_s() - before)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and commit the result; exit 1 where the first line or the processor time is above its limit."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch, "pictures")
        pictures.mkdir()
        paint(imagine_scene("unseen", 1), 336, 224).save(pictures / "one.png")
        start(pictures, Path(scratch, "warm"))  # compiles what is imported
        starts = [start(pictures, Path(scratch, f"run{number}")) for number in range(RUNS)]
    median = Start(*(statistics.median(column) for column in zip(*starts, strict=True)))
    measured: dict[str, object] = {name: round(value, 2) for name, value in median._asdict().items()}
    limits = {"most_first_line_s": MOST_FIRST_LINE_S, "most_processor_s": MOST_PROCESSOR_S}
    record("start_time", "python -m benchmarks.start_time", {**measured, **limits})
    sys.exit(median.first_line_s > MOST_FIRST_LINE_S or median.processor_s > MOST_PROCESSOR_S)


if __name__ == "__main__":
    main()
