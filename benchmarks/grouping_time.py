"""How long it takes to group stored embeddings, compared with an earlier commit.

    python -m benchmarks.grouping_time FOLDER --before CHECKOUT [--images N]

Comes in: a checkout of an earlier commit, such as c94a48a. Goes out: time and memory of `triptych group` on
stored embeddings of a synthetic corpus of N images, with the code of CHECKOUT and of this tree, in turns,
each in its own process; and of `triptych.group` with sets of all kinds, and with groups that must stay apart.
CHECKOUT runs with the packages of this environment. Not its job: the quality of sets (see grouping_quality,
photo_sets).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.record import ROOT, record, refuse_dirty_tree
from tests.support.made_up_corpus import make_corpus

COMMAND = """
import json, resource, shutil, sys, time
from triptych.cli import cli
began, cpu = time.monotonic(), time.process_time()
cli(["group", "--embeddings", sys.argv[1], "--out", "run"], standalone_mode=False)
took_s, processor_s = time.monotonic() - began, time.process_time() - cpu
sets = [json.loads(line)["keys"] for line in open("run/sets.jsonl")]
shutil.rmtree("run")
print(json.dumps({
    "time_s": round(took_s, 1),
    "processor_s": round(processor_s, 1),
    "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "sets": len(sets),
    "images_in_sets": sum(map(len, sets)),
}))
"""

CODE = """
import json, resource, sys, time
import numpy as np
from triptych.grouping.config import SetsConfig
from triptych.grouping.library import group
rows, how = np.load(sys.argv[1], mmap_mode="r"), json.loads(sys.argv[2])
of = {"groups": [str(row // 12) for row in range(len(rows))]} if "apart" in how else {}
began, cpu = time.monotonic(), time.process_time()
found = group(rows, config=SetsConfig(**how), **of)
print(json.dumps({
    "time_s": round(time.monotonic() - began, 1),
    "processor_s": round(time.process_time() - cpu, 1),
    "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "sets": len(found.sets),
    "in_sets": round(sum(len(each.keys) for each in found.sets) / len(rows), 4),
}))
"""

WAYS: dict[str, dict[str, Any]] = {
    "all kinds": {"contrast_share": 0.2, "varied_share": 0.1},
    "apart": {"apart": "every 12 that follow each other"},
}
"""Settings for this tree."""


def measure(checkout: Path, code: str, rows: Path, *arguments: str) -> dict[str, float]:
    """The JSON that ``code`` prints when it runs in a new process with the modules of ``checkout``."""
    answer = subprocess.run(
        [sys.executable, "-c", code, str(rows), *arguments],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd=rows.parent,
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        sys.exit(f"{checkout}: {answer.stderr[-500:]}")
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _median(turns: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--before", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--images", default=1_000_000)
@click.option("--turns", default=2)
@click.option("--kinds/--no-kinds", default=True, help="Also measure sets of all kinds, and groups apart.")
def main(folder: Path, before: Path, images: int, turns: int, kinds: bool) -> None:
    """Measure and record the figures."""
    refuse_dirty_tree()
    folder.mkdir(parents=True, exist_ok=True)
    rows = (folder / f"{images}.npy").absolute()
    np.save(rows, make_corpus(images).rows)
    earlier, now = [], []
    for _ in range(turns):
        earlier.append(measure(before.absolute(), COMMAND, rows))
        now.append(measure(ROOT, COMMAND, rows))
        print(earlier[-1], now[-1], flush=True)
    others = {name: measure(ROOT, CODE, rows, json.dumps(how)) for name, how in WAYS.items() if kinds}
    rows.unlink()
    commit = subprocess.run(
        ["git", "-C", str(before), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    took = {"before": _median(earlier), "now": _median(now), **others}
    record(
        "grouping_time",
        "python -m benchmarks.grouping_time FOLDER --before CHECKOUT",
        {
            "load_average_15_min": round(os.getloadavg()[2], 1),
            "images": images,
            "before_is": commit.stdout.strip(),
            "times_before": round(took["now"]["processor_s"] / took["before"]["processor_s"], 3),
            **took,
        },
    )


if __name__ == "__main__":
    main()
