"""Inject every kind of fault at every change that a small run makes to its folder, and resume it.

python -m benchmarks.crash_points [--points 500] [--seed 1] [--workers 2]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.crash.points import KINDS, Outcome
from tests.crash.sweep import sweep


@click.command()
@click.option("--points", type=int, help="Sample so many, evenly over the kinds of faults.  [default: all]")
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=len(os.sched_getaffinity(0)), show_default="the cores")
def main(points: int | None, seed: int, workers: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    began = time.monotonic()
    outcomes = sweep(points=points, seed=seed, workers=workers)
    drawn = "" if points is None else f" --points {points}"
    runs = sorted({outcome.run for outcome in outcomes})
    record(
        "crash_points",
        f"python -m benchmarks.crash_points{drawn} --seed {seed}",
        {
            "took_s": round(time.monotonic() - began),
            "workers": workers,
            "changes": {run: len({each.number for each in outcomes if each.run == run}) for run in runs},
            "faults": {kind: _counts([each for each in outcomes if each.kind == kind]) for kind in KINDS},
            "all": _counts(outcomes),
            "not_survived": [str(outcome) for outcome in outcomes if not outcome.survived],
        },
    )
    if not all(outcome.survived for outcome in outcomes):
        sys.exit(1)


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {
        "tried": len(outcomes),
        "of_changes_that_did_not_come": sum(not outcome.struck for outcome in outcomes),
        "survived": sum(outcome.survived for outcome in outcomes),
        "captions_lost": sum(outcome.lost for outcome in outcomes),
        "captions_doubled": sum(outcome.doubled for outcome in outcomes),
        "refused": sum(bool(outcome.refused) for outcome in outcomes),
        "otherwise_wrong": sum(bool(outcome.other) for outcome in outcomes),
    }


if __name__ == "__main__":
    main()
