"""Recall of bad captions and share of good ones kept, on the labelled sets.

    python -m benchmarks.filter_quality

``captions`` is the set that the bounds were chosen on. The held-out sets were written after the rules, by
others; how the rules did on them before they were mended is in docs/measurements/filter-quality.md.
``phrasings`` was written with the rules in view, ``tellings`` are sets told of in every way but the usual.
Rules that look at one caption only.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec

from benchmarks.record import record, refuse_dirty_tree
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig
from triptych.filtering.judge import Judge
from triptych.records import JOB_NAMES

LABELLED = Path("tests/filtering/labelled")
SETS = (
    "captions",
    "held_out",
    *(f"{nth}_held_out" for nth in ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")),
    "phrasings",
    "tellings",
)


def score(name: str) -> dict[str, object]:
    """Per job: recall and share kept. Per fault: how many were dropped, by their own rule and at all."""
    judge = Judge(FilteringConfig())
    counts: Counter[tuple[str, bool, bool]] = Counter()
    faults: dict[str, Counter[str]] = {}
    for line in (LABELLED / f"{name}.jsonl").read_bytes().splitlines():
        row = msgspec.json.decode(line)
        scores = judge.scores(
            Candidate(
                text=row["text"],
                job=row["job"],
                image_count=row["images"],
                finish_reason=row["finish_reason"],
            )
        )
        fault = row["fault"]
        counts[row["job"], fault is not None, judge.drops(scores)] += 1
        tally = faults.setdefault(fault or ("hard to keep" if row["hard"] else "good"), Counter())
        tally.update(captions=1, dropped=judge.drops(scores), by_own_rule=fault in scores)
    jobs = {
        job: {
            "bad": counts[job, True, True] + counts[job, True, False],
            "recall": round(
                counts[job, True, True] / (counts[job, True, True] + counts[job, True, False]), 4
            ),
            "good": counts[job, False, True] + counts[job, False, False],
            "kept": round(
                counts[job, False, False] / (counts[job, False, True] + counts[job, False, False]), 4
            ),
        }
        for job in JOB_NAMES
        if counts[job, False, False]
    }
    return {"jobs": jobs, "faults": {fault: dict(tally) for fault, tally in sorted(faults.items())}}


@click.command()
def main() -> None:
    """Measure and commit."""
    refuse_dirty_tree()
    measured: dict[str, object] = {name: score(name) for name in SETS}
    record("filter_quality", "python -m benchmarks.filter_quality", measured)


if __name__ == "__main__":
    main()
