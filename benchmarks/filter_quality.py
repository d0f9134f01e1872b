"""The share of bad captions that are rejected, and of good ones that are kept, on labelled captions.

    python -m benchmarks.filter_quality

``contract_en`` and ``contract_zh`` are captions of sets that refer to images as the prompts ask, half of them
faulty; they are judged with those prompts. The other files are free prose, like captions from other sources,
and are judged without prompts. References to images are then read leniently, so captions that omit an image
or name a nonexistent one (``naming``) are counted separately from all other faults (``other``). Thresholds
were chosen on ``captions``. The held-out files were written after the rules, by other authors; ``phrasings``
with knowledge of the rules; ``tellings`` describe sets in unusual ways. Only rules that look at a single
caption are used.
"""

from __future__ import annotations

from collections import Counter

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.contexts import JOBS, filter_jobs_of
from tests.support.labelled_captions import Labelled, read_labelled
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer

CONTRACT = ("contract_en", "contract_zh")
FREE_PROSE = (
    "captions",
    "held_out",
    "second_held_out", "third_held_out", "fourth_held_out", "fifth_held_out", "sixth_held_out",
    "seventh_held_out", "eighth_held_out", "ninth_held_out", "tenth_held_out", "eleventh_held_out",
    "twelfth_held_out", "thirteenth_held_out", "fourteenth_held_out", "fifteenth_held_out",
    "phrasings",
    "tellings",
)  # fmt: skip
NAMING_FAULTS = frozenset({"missing_image", "unknown_image"})


def score(captions: list[Labelled], *, contract: bool) -> dict[str, object]:
    """By job, recall and share kept; by fault, how many were rejected, flagged, or found by its own rule."""
    scorer = make_scorer(FilteringConfig(), filter_jobs_of(contract=contract))
    counts: Counter[tuple[str, str, bool]] = Counter()
    faults: dict[str, Counter[str]] = {}
    for caption in captions:
        violations = scorer.violations(caption.job, scorer.all_scores(caption.input))
        is_rejected = scorer.is_rejected(caption.job, violations)
        kind = "good" if caption.fault is None else "naming" if caption.fault in NAMING_FAULTS else "other"
        counts[caption.job, kind, is_rejected] += 1
        of_fault = faults.setdefault(caption.fault or ("hard to keep" if caption.hard else "good"), Counter())
        of_fault.update(
            captions=1,
            rejected=is_rejected,
            flagged_only=bool(violations) and not is_rejected,
            by_own_rule=caption.fault in violations,
        )
    jobs = {job: _shares(counts, job) for job in JOBS if any(key[0] == job for key in counts)}
    return {"jobs": jobs, "faults": {fault: dict(of_fault) for fault, of_fault in sorted(faults.items())}}


def _shares(counts: Counter[tuple[str, str, bool]], job: str) -> dict[str, object]:
    shares: dict[str, object] = {}
    for kind, name in (("other", "recall"), ("naming", "recall_of_naming"), ("good", "kept")):
        total = counts[job, kind, True] + counts[job, kind, False]
        if total:
            shares |= {kind: total, name: round(counts[job, kind, kind != "good"] / total, 4)}
    bad = sum(counts[job, kind, rejected] for kind in ("other", "naming") for rejected in (True, False))
    if bad:
        rejected = counts[job, "other", True] + counts[job, "naming", True]
        shares["recall_of_all"] = round(rejected / bad, 4)
    return shares


@click.command()
def main() -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    every = [caption for name in FREE_PROSE[:-1] for caption in read_labelled(name)]
    measured: dict[str, object] = {
        "contract": {name: score(read_labelled(name), contract=True) for name in CONTRACT},
        "free_prose": {name: score(read_labelled(name), contract=False) for name in FREE_PROSE},
        "free_prose_together": score(every, contract=False),
    }
    record("filter_quality", "python -m benchmarks.filter_quality", measured)


if __name__ == "__main__":
    main()
