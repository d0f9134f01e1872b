"""Records what a benchmark measured, with date, machine and commit.

Comes in: a name and measured values. Goes out: ``benchmarks/results/<name>.json``. Results are recorded only
from a clean commit, so that they can be measured again. With ``PRINT_ONLY=1`` in the environment a benchmark
prints its result and records nothing, even if the tree is dirty. Not its job: measuring.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

PRINT_ONLY = "PRINT_ONLY"
"""The environment variable that prevents recording."""

PRODUCT_FOLDERS = (
    "triptych",
    "grouping",
    "captioning",
    "filtering",
    "export",
    "benchmarks",
    "tests/support",
    "tests/crash",
)
"""Folders in which an untracked file could change what is measured."""

_OUTPUTS = ("benchmarks/results/", "BENCHMARKS.md", "docs/benchmarks.svg")
"""Files that recording itself changes."""


def refuse_dirty_tree(root: Path = ROOT) -> None:
    """Exit with one line if the result could not be recorded. Call it first, before hours of work."""
    if os.environ.get(PRINT_ONLY):
        return
    dirty = dirty_files(root)
    if dirty:
        sys.exit(_refusal(dirty))


def record(
    name: str, command: str, measured: Mapping[str, object], *, plot: str | None = None, root: Path = ROOT
) -> None:
    """Print the result of ``command`` and write it; ``plot`` is an SVG to write beside it.

    If the tree is dirty, nothing is written and the benchmark exits with one line that names the files.
    """
    dirty = dirty_files(root)
    document = {
        "command": command,
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
            "python": platform.python_version(),
        },
        "commit": _commit(root) + ("-dirty" if dirty else ""),
        "measured": measured,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    print(text)
    if os.environ.get(PRINT_ONLY):
        print(f"{name}: not recorded, as {PRINT_ONLY} is set", file=sys.stderr)
        return
    if dirty:
        sys.exit(_refusal(dirty))
    results = root / RESULTS.relative_to(ROOT)
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(text + "\n", "utf-8")
    if plot is not None:
        (results / f"{name}.svg").write_text(plot, "utf-8")


def dirty_files(root: Path = ROOT) -> list[str]:
    """Changed tracked files, and untracked ones in product folders.

    Recorded results and the files generated from them don't count. Without git everything is dirty.
    """
    try:
        listed = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    except (OSError, subprocess.CalledProcessError):
        return [f"{root} (no git checkout)"]
    entries = [(entry[:2], entry[3:]) for entry in listed.split("\0") if entry]
    return [
        path
        for state, path in entries
        if not path.startswith(_OUTPUTS)
        and (state != "??" or path.startswith(tuple(f"{folder}/" for folder in PRODUCT_FOLDERS)))
    ]


def _refusal(dirty: list[str]) -> str:
    more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
    return (
        f"not recorded: {', '.join(dirty[:3])}{more} not as committed, so nobody could measure this again;"
        f" commit first, or set {PRINT_ONLY}=1 to see figures without a record"
    )


def _commit(root: Path) -> str:
    try:
        return _git(root, "describe", "--always").strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
