"""How long `triptych --help` and a bare interpreter take to start: medians of 15 runs.

python -m benchmarks.help_time
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.record import record, refuse_dirty_tree

RUNS = 15
MAX_S = 0.3


def median_s(command: list[str]) -> float:
    """Median wall time of a command, in seconds."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and record the result; exit 1 above MAX_S."""
    refuse_dirty_tree()
    triptych = str(Path(sys.executable).with_name("triptych"))
    help_s = median_s([triptych, "--help"])
    bare_s = median_s([sys.executable, "-c", "pass"])
    record(
        "help_time",
        "python -m benchmarks.help_time",
        {"help_s": round(help_s, 3), "bare_interpreter_s": round(bare_s, 3), "most_s": MAX_S},
    )
    sys.exit(0 if help_s < MAX_S else 1)


if __name__ == "__main__":
    main()
