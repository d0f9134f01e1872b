"""Time and memory to find near duplicates among a million captions of realistic length.

    python -m benchmarks.filter_duplicates [--captions 1000000]

Captions have 95 random words from the vocabulary of the labelled ones, which is the length of real captions;
one in twenty is a copy of an earlier one with one word changed. Only the two rules that compare captions are
on.
"""

from __future__ import annotations

import os
import random
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.contexts import filter_jobs_of
from tests.support.labelled_captions import read_labelled
from triptych.executors.local import LocalExecutor
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import BLOCK_CAPTIONS, FilterPass
from triptych.filtering.scoring import CaptionInput

PLANTED_ONE_IN = 20
WORDS = 95
"""The mean of InternVL-SA-1B-Caption."""


def synthetic_captions(count: int) -> Iterator[tuple[str, bool]]:
    """``(caption, is_copy)``, the same ones in every call."""
    dice = random.Random(20260101)
    labelled = read_labelled("captions")
    texts = [each.text for each in labelled if each.job == "single_en" and each.fault is None]
    vocabulary = sorted({word for text in texts for word in re.findall(r"[a-z]{3,}", text.lower())})
    recent: list[str] = []
    for at in range(count):
        if at % PLANTED_ONE_IN == PLANTED_ONE_IN - 1:
            words = dice.choice(recent).split()
            words[dice.randrange(len(words))] = "changed"
            yield " ".join(words), True
            continue
        text = " ".join(dice.choices(vocabulary, k=WORDS)) + "."
        recent = [*recent[-999:], text]
        yield text, False


def blocks(count: int, planted: list[bool]) -> Iterator[list[CaptionInput]]:
    """The captions in blocks, as the filter stage passes them; notes in ``planted`` which are copies."""
    block = []
    for at, (text, is_copy) in enumerate(synthetic_captions(count)):
        planted.append(is_copy)
        block.append(CaptionInput(str(at), "single_en", text))
        if len(block) == BLOCK_CAPTIONS:
            yield block
            block = []
    if block:
        yield block


@click.command()
@click.option("--captions", default=1_000_000)
@click.option("--workers", default=2)
def main(captions: int, workers: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    load_average = round(os.getloadavg()[0], 1)
    config = FilteringConfig(rules=("exact_duplicate", "near_duplicate"), workers=workers)
    planted: list[bool] = []
    began = time.monotonic()
    for _ in synthetic_captions(captions):
        pass
    making_s = time.monotonic() - began
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        FilterPass(config, filter_jobs_of("single_en"), Path(folder), LocalExecutor) as all_captions,
    ):
        for _ in all_captions.score(blocks(captions, planted)):
            pass
        took_s = time.monotonic() - began
        found = [bool(scored.scores) for scored in all_captions.scored()]
    peak_gib = (
        sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        / 1024**2
    )
    copies = sum(planted)
    record(
        "filter_duplicates",
        f"python -m benchmarks.filter_duplicates --captions {captions}",
        {
            "captions": captions,
            "workers": workers,
            "took_s": round(took_s, 1),
            "of_which_making_captions_s": round(making_s, 1),
            "peak_gib_of_parent_and_largest_child": round(peak_gib, 2),
            "planted_copies": copies,
            "planted_found": round(sum(f for f, p in zip(found, planted, strict=True) if p) / copies, 4),
            "others_taken_for_copies": sum(f for f, p in zip(found, planted, strict=True) if not p),
            "load_average_before": load_average,
        },
    )


if __name__ == "__main__":
    main()
