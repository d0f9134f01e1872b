"""Where and when a figure was measured, and the file that it is committed in.

Comes in: a name and measured values. Goes out: ``benchmarks/results/<name>.json``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def record(name: str, command: str, measured: dict[str, object]) -> Path:
    """Write the result of ``command`` with date, machine and commit, and print it."""
    document = {
        "command": command,
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
            "python": platform.python_version(),
        },
        "commit": _commit(),
        "measured": measured,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps(document, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")
    print(text)
    return path


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=RESULTS.parent, capture_output=True, text=True
    )
    return answer.stdout.strip()
