"""How many captions per second one core filters, compared with data-juicer and datatrove.

    python -m benchmarks.filter_speed [--peers PYTHON] [--before CHECKOUT]

PYTHON is an interpreter with py-data-juicer and datatrove. All filter the same good captions of each job, of
realistic length (see seed_length_captions), in one process. CPU time is measured: the median over rounds, and
over turns, in which all run under the same load. ``all_rules`` uses all our rules; ``with_sketches`` is
everything a worker does: rules, sketches for duplicates and the lines it returns. The mix of jobs is that of
InternVL-SA-1B-Caption (the seed): 11M, 1M, 77K and 77K captions. The peers have counterparts to a few of our
rules: data-juicer has repetition, special characters and length, datatrove has Gopher's repetition and
quality rules. ``matching_rules`` uses only our rules for the same: repetition, garbled text and length.
CHECKOUT is one of commit c94a48a, whose filter judged blocks of captions in arrays.
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
from benchmarks.seed_length_captions import SyntheticCaption, make_captions, row_of
from tests.support.contexts import filter_jobs_of
from triptych.filtering.caption import units_of
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import CaptionInput

TURNS = 3
ROUNDS = 5
CAPTIONS_A_JOB = 400
SEED_CAPTIONS: dict[str, int] = {
    "single_en": 11_000_000,
    "single_zh": 1_000_000,
    "multi_en": 77_000,
    "multi_zh": 77_000,
}
PEER_NAMES = ("datatrove", "data-juicer")
MATCHING: tuple[str, ...] = ("garbled", "too_short", "repeated", "too_long")
"""Our counterparts of the peers' operators below."""

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
    sys.exit(f"datatrove: {type(error).__name__}: {error}"[:300])
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
    sys.exit(f"data-juicer: {type(error).__name__}: {error}"[:300])
print("FOUND" + json.dumps(found))
"""

# Runs in CHECKOUT, with the names that its modules have.
BEFORE = """
import json, sys
from benchmarks.filter_speed import rules_alone, with_sketches
from benchmarks.seed_length_captions import MadeUp
from filtering.config import FilteringConfig
made = {job: [MadeUp(*each) for each in some] for job, some in json.load(sys.stdin).items()}
config = FilteringConfig()
print("FOUND" + json.dumps({
    "all_rules": {job: rules_alone(some, config) for job, some in made.items()},
    "with_sketches": {job: with_sketches(some, config) for job, some in made.items()},
}))
"""


def rules_alone(captions: Sequence[SyntheticCaption], config: FilteringConfig) -> int:
    """Captions per second with the rules of ``config``."""
    scorer = make_scorer(config, filter_jobs_of())
    given = _inputs(captions)
    return rate(lambda: scorer.score_rules(given), len(captions))


def with_sketches(captions: Sequence[SyntheticCaption], config: FilteringConfig) -> int:
    """Captions per second for everything that a worker does."""
    scorer = make_scorer(config, filter_jobs_of())
    given = _inputs(captions)
    return rate(lambda: scorer.score_block(given), len(captions))


def _inputs(captions: Sequence[SyntheticCaption]) -> list[CaptionInput]:
    return [CaptionInput(f"{c.job}:{at}", c.job, c.text, c.image_count) for at, c in enumerate(captions)]


def rate(run: Callable[[], object], captions: int) -> int:
    """Captions per second, the median of ROUNDS."""
    run()
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        rounds.append(captions / (time.process_time() - began))
    return round(statistics.median(rounds))


def of_the_mix(rates: Mapping[str, int]) -> int:
    """Captions per second of all four jobs together, in the proportions of the seed."""
    seconds = sum(SEED_CAPTIONS[job] / rates[job] for job in SEED_CAPTIONS)
    return round(sum(SEED_CAPTIONS.values()) / seconds)


def lengths(job: str, captions: Sequence[SyntheticCaption]) -> dict[str, int]:
    """Means: bytes of a row in the seed's format, words or Han characters of a caption."""
    rows = [len(row_of(job, each.text, each.image_count)) for each in captions]
    units = [len(units_of(each.text)) for each in captions]
    return {"bytes_a_row": round(statistics.mean(rows)), "units": round(statistics.mean(units))}


def found_by(command: Sequence[str], given: str, folder: str | None = None) -> dict[str, dict[str, int]]:
    """The JSON that a program prints after FOUND, when it runs in ``folder``."""
    environment = os.environ | ({"PYTHONPATH": folder} if folder else {})
    answer = subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, env=environment)
    line = next((each for each in answer.stdout.splitlines() if each.startswith("FOUND")), None)
    if line is None:
        sys.exit(f"{command[0]} printed no result: {answer.stderr[-300:]}")
    return json.loads(line[5:])  # type: ignore[no-any-return]


OURS: dict[str, Callable[[Sequence[SyntheticCaption]], int]] = {
    "all_rules": lambda captions: rules_alone(captions, FilteringConfig()),
    "with_sketches": lambda captions: with_sketches(captions, FilteringConfig()),
    "matching_rules": lambda captions: rules_alone(captions, FilteringConfig(rules=MATCHING)),
}


@click.command()
@click.option("--peers", default=sys.executable, help="A Python interpreter with both peers.")
@click.option("--before", type=click.Path(exists=True), help="A checkout of commit c94a48a.")
def main(peers: str, before: str | None) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    load_average = round(os.getloadavg()[0], 1)
    made = make_captions(CAPTIONS_A_JOB)
    texts = json.dumps({job: [each.text for each in captions] for job, captions in made.items()})
    tuples = {job: [(c.text, c.job, c.image_count) for c in captions] for job, captions in made.items()}
    turns: list[dict[str, dict[str, int]]] = []
    for _ in range(TURNS):
        turn = {name: {job: measure(made[job]) for job in made} for name, measure in OURS.items()}
        turn |= found_by([peers, "-c", PEERS.replace("ROUNDS", str(ROUNDS))], texts)
        if before is not None:
            found = found_by([sys.executable, "-c", BEFORE], json.dumps(tuples), before)
            turn |= {f"{name} of c94a48a": rates for name, rates in found.items()}
        turns.append(turn)
    rates = {
        name: {job: round(statistics.median(turn[name][job] for turn in turns)) for job in made}
        for name in turns[0]
    }
    mix = {name: of_the_mix(by_job) for name, by_job in rates.items()}
    measured: dict[str, object] = {
        "mean_lengths": {job: lengths(job, captions) for job, captions in made.items()},
        "captions_per_s_and_core": rates,
        "of_the_seeds_mix": mix,
        "matching_rules_over_faster_peer": {
            job: round(rates["matching_rules"][job] / max(rates[peer][job] for peer in PEER_NAMES), 2)
            for job in made
        },
        "load_average_before": load_average,
    }
    if before is not None:
        measured["all_rules_over_c94a48a"] = {
            name: round(mix[name] / mix[f"{name} of c94a48a"], 2) for name in ("all_rules", "with_sketches")
        }
    record("filter_speed", "python -m benchmarks.filter_speed --peers PYTHON --before CHECKOUT", measured)


if __name__ == "__main__":
    main()
