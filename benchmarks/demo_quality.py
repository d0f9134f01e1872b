"""How accurate and how complete the demo's captions are.

    python -m benchmarks.demo_quality DEMO_FOLDER

tests/support/demo_truth.py defines the figures. Every caption of a copy of the run is checked, by the nano
checker unless another is named, and filtered again: ``checked`` has what is kept then, the share of those
captions with an untrue statement, the share of true captions lost, and the cost relative to captioning.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

import triptych
from benchmarks.record import record, refuse_dirty_tree
from tests.support.demo_truth import missed_bounds, read_truth, score_captions, score_demo

CHECKING: dict[str, object] = {
    "checking.captions": 0,
    "checking.canary.every_s": 0,  # so that bad checkers are measured too
}


def check_again(folder: Path, checker: str) -> dict[str, object]:
    """The effect of checking every caption, by job, on a copy of the run."""
    truth = read_truth(folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(shutil.copytree(folder / "run", Path(scratch) / "run"))
        with triptych.open_run(path, settings={**CHECKING, "checking.model": checker}) as run:
            before = {job.name: score_captions(run.folder, truth, job) for job in run.jobs}
            checks = run.check()
            run.filter()
            found: dict[str, object] = {}
            for job in run.jobs:
                after, counts = score_captions(run.folder, truth, job), checks[job.name]
                captions = [c for s in run.folder.shards() for c in run.folder.captions(job.name, s)]
                true_before, true_after = (
                    each["kept"] * (1 - each["untrue_share_of_kept"]) for each in (before[job.name], after)
                )
                found[job.name] = {
                    "kept_before": before[job.name]["kept"],
                    "kept": after["kept"],
                    "untrue_share_of_kept_before": before[job.name]["untrue_share_of_kept"],
                    "untrue_share_of_kept": after["untrue_share_of_kept"],
                    "true_captions_lost_share": round(1 - true_after / max(true_before, 1), 4),
                    "questions_a_caption": round(counts.statements / max(counts.captions, 1), 2),
                    "tokens_to_those_of_captioning": round(
                        (counts.prompt_tokens + counts.completion_tokens)
                        / max(sum(c.prompt_tokens + c.completion_tokens for c in captions), 1),
                        2,
                    ),
                }
    return found


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--checker", default="builtin:nano-checker", show_default=True)
def main(folder: Path, checker: str) -> None:
    """Score a finished demo and record the result; exit 1 if it misses a bound."""
    refuse_dirty_tree()
    scores = score_demo(folder)
    missed = missed_bounds(scores)
    measured = {**scores, "missed": missed, "checked": check_again(folder, checker)}
    record("demo_quality", "python -m benchmarks.demo_quality DEMO_FOLDER", measured)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
