"""How many captions a second one core judges, beside data-juicer's and datatrove's matching operators.

    python -m benchmarks.filter_speed [--peers PYTHON]

PYTHON is an interpreter with py-data-juicer and datatrove. All three judge the same good captions of
each job, of the seed's lengths (see seed_length_captions), one process, in processor time, the median
of several rounds. ``all_rules`` is every rule of ours, on blocks of captions as a worker has them;
``with_sketches`` is all that a worker does: rules, sketches for duplicates, the lines it hands on. The
seed's mix of jobs is 11M, 1M, 77K and 77K captions. The peers have a counterpart to a few of them, and
run those: data-juicer repetition, special characters and length, datatrove Gopher's repetition and
quality rules. ``matching_rules`` is ours with no more than that: repetition, garbled text and length.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import click

from benchmarks.record import record, refuse_dirty_tree
from benchmarks.seed_length_captions import MadeUp, make_captions, row_of
from triptych.filtering.block import chunks_of
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.judge import Judge, Row
from triptych.filtering.score_counts import ScoreCounter
from triptych.filtering.worker import Worker
from triptych.records import JobName

ROUNDS = 15
PEER_ROUNDS = 5
CAPTIONS_A_JOB = 400
SEED_CAPTIONS: dict[JobName, int] = {
    "single_en": 11_000_000,
    "single_zh": 1_000_000,
    "multi_en": 77_000,
    "multi_zh": 77_000,
}
MATCHING: tuple[RuleName, ...] = ("garbled", "too_short", "repeated", "too_long")
"""What the peers' operators below look for."""

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


def rules_alone(captions: Sequence[MadeUp], config: FilteringConfig) -> int:
    """Captions a second with the rules of ``config``."""
    judge = Judge(config)

    def run() -> None:
        counter = ScoreCounter(config)
        candidates = [Candidate(text=c.text, job=c.job, image_count=c.image_count) for c in captions]
        for places in chunks_of(candidates):
            chosen = [candidates[at] for at in places]
            judge.scores_of_block(judge.block(chosen), chosen, counter)

    return rate(run, len(captions))


def with_sketches(captions: Sequence[MadeUp], config: FilteringConfig) -> int:
    """Captions a second of all that a worker does."""
    work = Worker(config)
    rows = [Row(f"{c.job}:{at}", c.job, c.text, c.image_count, "stop") for at, c in enumerate(captions)]
    return rate(lambda: work.judge(rows), len(captions))


def rate(run: Callable[[], object], captions: int) -> int:
    """Captions a second, the median of rounds."""
    run()
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        rounds.append(captions / (time.process_time() - began))
    return round(statistics.median(rounds))


def of_the_mix(rates: Mapping[JobName, int]) -> int:
    """Captions a second of all four jobs together, as many of each as the seed has."""
    seconds = sum(SEED_CAPTIONS[job] / rates[job] for job in SEED_CAPTIONS)
    return round(sum(SEED_CAPTIONS.values()) / seconds)


def lengths(job: JobName, captions: Sequence[MadeUp]) -> dict[str, int]:
    """Means: bytes of a row as the seed has them, words or Han characters of a caption."""
    rows = [len(row_of(job, each.text, each.image_count)) for each in captions]
    units = [len(Candidate(text=each.text, job=job).units) for each in captions]
    return {"bytes_a_row": round(statistics.mean(rows)), "units": round(statistics.mean(units))}


@click.command()
@click.option("--peers", default=sys.executable, help="An interpreter that has both peers.")
def main(peers: str) -> None:
    """Measure and commit."""
    refuse_dirty_tree()
    load_average = round(os.getloadavg()[0], 1)
    made = make_captions(CAPTIONS_A_JOB)
    texts = json.dumps({job: [each.text for each in captions] for job, captions in made.items()})
    peer_command = [peers, "-c", PEERS.replace("ROUNDS", str(PEER_ROUNDS))]
    rates = {
        name: {job: measure(captions, config) for job, captions in made.items()}
        for name, measure, config in (
            ("all_rules", rules_alone, FilteringConfig()),
            ("with_sketches", with_sketches, FilteringConfig()),
            ("matching_rules", rules_alone, FilteringConfig(rules=MATCHING)),
        )
    }
    measured: dict[str, object] = {
        "mean_lengths": {job: lengths(job, captions) for job, captions in made.items()},
        "captions_per_s_and_core": rates,
        "of_the_seeds_mix": {name: of_the_mix(by_job) for name, by_job in rates.items()},
    }
    answer = subprocess.run(peer_command, input=texts, capture_output=True, text=True)
    line = next((each for each in answer.stdout.splitlines() if each.startswith("FOUND")), None)
    measured["peers"] = json.loads(line[5:]) if line else answer.stderr[-300:]
    measured["load_average_before"] = load_average
    record("filter_speed", "python -m benchmarks.filter_speed --peers PYTHON", measured)


if __name__ == "__main__":
    main()
