"""How many captions a second one core judges, beside data-juicer's and datatrove's matching operators.

    python -m benchmarks.filter_speed [--peers PYTHON]

PYTHON is an interpreter with py-data-juicer and datatrove. All three judge the good labelled captions
of each job, one process, in processor time, the median of three rounds. Ours run every rule; the peers
run those of their operators that have a counterpart here: repetition and length (and, for datatrove,
its quality rules), which is less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import msgspec

from benchmarks.record import record
from corpus.records import JOB_NAMES
from filtering.candidate import Candidate
from filtering.config import FilteringConfig
from filtering.judge import Judge

LABELLED = Path("tests/filtering/labelled/captions.jsonl")
ROUNDS = 3
SWEEPS = 3

PEERS = """
import json, statistics, sys, time
texts = json.load(sys.stdin)
def rate(judge, some):
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for text in some:
            judge(text)
        rounds.append(len(some) / (time.process_time() - began))
    return round(statistics.median(rounds))
found = {}
try:
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    for job, some in texts.items():
        language = "zho" if job.endswith("zh") else "eng"
        steps = [GopherRepetitionFilter(language=language), GopherQualityFilter(language=language)]
        def trove(text):
            document = Document(text=text, id="x")
            for step in steps:
                step.filter(document)
        trove(some[0])
        found.setdefault("datatrove", {})[job] = rate(trove, some)
except Exception as error:
    found["datatrove"] = f"{type(error).__name__}: {error}"[:300]
try:
    from data_juicer.ops.filter import CharacterRepetitionFilter, SpecialCharactersFilter
    from data_juicer.ops.filter import TextLengthFilter, WordRepetitionFilter
    for job, some in texts.items():
        language = "zh" if job.endswith("zh") else "en"
        steps = [WordRepetitionFilter(lang=language), CharacterRepetitionFilter()]
        steps += [SpecialCharactersFilter(), TextLengthFilter()]
        def juicer(text):
            sample = {"text": [text], "__dj__stats__": [{}]}
            for step in steps:
                sample = step.compute_stats_batched(sample)
                list(step.process_batched(sample))
        juicer(some[0])
        found.setdefault("data-juicer", {})[job] = rate(juicer, some)
except Exception as error:
    found["data-juicer"] = f"{type(error).__name__}: {error}"[:300]
print("FOUND" + json.dumps(found))
"""


def ours(rows: list[dict[str, object]]) -> int:
    """Captions a second with every rule."""
    judge = Judge(FilteringConfig())
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(SWEEPS):
            for row in rows:
                judge.scores(
                    Candidate(text=row["text"], job=row["job"], image_count=row["images"])  # type: ignore[arg-type]
                )
        rounds.append(SWEEPS * len(rows) / (time.process_time() - began))
    return round(statistics.median(rounds))


@click.command()
@click.option("--peers", default=sys.executable, help="An interpreter that has both peers.")
def main(peers: str) -> None:
    """Measure and commit."""
    load_average = round(os.getloadavg()[0], 1)
    rows = [msgspec.json.decode(line) for line in LABELLED.read_bytes().splitlines()]
    good = {job: [r for r in rows if r["job"] == job and r["fault"] is None] for job in JOB_NAMES}
    measured: dict[str, object] = {
        "captions_per_s_and_core": {job: ours(some) for job, some in good.items()},
        "mean_units": {
            job: round(statistics.mean(len(Candidate(text=r["text"], job=job).units) for r in some))
            for job, some in good.items()
        },
    }
    texts = json.dumps({job: [r["text"] for r in some] for job, some in good.items()})
    answer = subprocess.run(
        [peers, "-c", PEERS.replace("ROUNDS", str(ROUNDS))], input=texts, capture_output=True, text=True
    )
    line = next((each for each in answer.stdout.splitlines() if each.startswith("FOUND")), None)
    measured["peers"] = json.loads(line[5:]) if line else answer.stderr[-300:]
    measured["load_average_before"] = load_average
    record("filter_speed", "python -m benchmarks.filter_speed --peers PYTHON", measured)


if __name__ == "__main__":
    main()
