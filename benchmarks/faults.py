"""Captioning with servers that fail a fifth of all requests, die and come back.

    python -m benchmarks.faults [--images 2000] [--faults 0.2] [--seed 1]

The faults come from tests/support/fault_server.py: 500, 503, 429 with Retry-After, connections reset before
and during the answer, hangs, ten-fold slowness, malformed JSON, both of lmdeploy's proxy errors in a 200,
error events, streams without an end, and texts that are empty, truncated, repetitive, refusals or in the
wrong language. The server counts the good answers it gives; those that are missing in the journals were
discarded. Exits 1 if a request has no row or two, or if more than MAX_DISCARDED_SHARE of the good answers
were discarded.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.fault_server import FaultServer
from tests.support.made_up_run import make_up_run
from triptych.captioning.answer_check import AnswerCheck
from triptych.jobs import SEED_JOBS
from triptych.languages import LANGUAGES

JOBS: tuple[str, ...] = ("single_en", "single_zh")
CHECKS = {job.name: AnswerCheck(language=LANGUAGES[job.language]) for job in SEED_JOBS}
SLOTS = 64
LATENCY_S = 0.2
MAX_DISCARDED_SHARE = 0.02


@click.command()
@click.option("--images", default=2000, show_default=True)
@click.option("--faults", default=0.2, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(images: int, faults: float, seed: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    requests = images * len(JOBS)
    deaths = tuple((requests * n // 5, n % 2, 3.0) for n in range(1, 5))
    with tempfile.TemporaryDirectory() as scratch:
        made_up = make_up_run(Path(scratch), images)
        server = FaultServer(
            endpoints=2, slots=SLOTS, latency_s=LATENCY_S, faults=faults, seed=seed, deaths=deaths
        )
        with server:
            process = made_up.start(server.urls, JOBS, max_in_flight=SLOTS)
            _, stderr = process.communicate()
            stats = server.stats()
        rows = [row for job in JOBS for row in made_up.rows(job)]
    usable = [
        row
        for row in rows
        if row.failure is None and CHECKS[row.job].defect(row.text, row.finish_reason) is None
    ]
    good = sum(stats.good.values())
    seconds = stats.last_answered_at - stats.first_asked_at
    measured: dict[str, object] = {
        "requests": requests,
        "rows": len(rows),
        "distinct_rows": len({row.id for row in rows}),
        "usable_captions": len(usable),
        "unusable_captions_kept": sum(row.failure is None for row in rows) - len(usable),
        "recorded_failures": Counter(row.failure.partition(":")[0] for row in rows if row.failure),
        "asked": sum(stats.asked.values()),
        "good_answers_given": good,
        "good_answers_thrown_away": good - len(usable),
        "share_thrown_away": round((good - len(usable)) / good, 5),
        "captions_named_twice": len(usable) - len({_key(row.text) for row in usable}),
        "seconds": round(seconds, 1),
        "asked_per_s": round(sum(stats.asked.values()) / seconds, 1),
        "mishaps": stats.mishaps,
        "endpoint_deaths": len(deaths),
        "exit_code": process.returncode,
        "last_line": stderr.strip().splitlines()[-1],
    }
    command = f"python -m benchmarks.faults --images {images} --faults {faults:g} --seed {seed}"
    record("faults", command, measured)
    complete = requests == len(rows) == measured["distinct_rows"] and not measured["captions_named_twice"]
    if process.returncode or not complete or good - len(usable) > MAX_DISCARDED_SHARE * good:
        sys.exit(1)


def _key(text: str) -> str:
    found = re.search("[0-9a-f]{12}", text)
    return found.group() if found else text


if __name__ == "__main__":
    main()
