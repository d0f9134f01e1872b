"""Damage every kind of file of a finished run in every way, and look what is said and done then.

    python -m benchmarks.damage [--damages 2050] [--seed 1] [--workers 2]

Bits, bytes, blocks, lines, whole files, and values of every field by others of the same size, of a finished
run with three exports beside the first and captions that were put aside, and of one that was killed in each
stage: see tests/damage. After each, `triptych status`, `verify` and `report` have to end without a traceback,
and `verify`, of an unfinished run the stage that would use it, to see it unless it provably changes nothing
that a stage or a reader uses; the next run has to refuse, with the file's name and what to do, or to end with
the same export; after `triptych repair` it has
to end as if nothing had been, and without asking for a caption that was still there. Exits 1 where anything
of that isn't so.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import PurePosixPath

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.damage.sweep import sweep
from tests.damage.trials import Outcome


@click.command()
@click.option("--damages", default=2050, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=2, show_default=True)
def main(damages: int, seed: int, workers: int) -> None:
    """Measure and commit the result."""
    refuse_dirty_tree()
    outcomes = sweep(damages=damages, seed=seed, workers=workers)
    wrong = [str(outcome) for outcome in outcomes if outcome.wrong]
    harmful = [outcome for outcome in outcomes if not outcome.is_harmless]
    measured: dict[str, object] = {
        "damages": len(outcomes),
        "that_happened_to_change_no_byte": damages - len(outcomes),
        "change_what_a_stage_or_a_reader_uses": len(harmful),
        "of_those_seen": sum(outcome.is_seen for outcome in harmful),
        "harmless": len(outcomes) - len(harmful),
        "next_run": Counter(outcome.run for outcome in outcomes),
        "tracebacks": sum("ended with" in each for outcome in outcomes for each in outcome.wrong),
        "other_exports": sum("another export" in each for outcome in outcomes for each in outcome.wrong),
        "wrong": wrong[:20],
        "by_state": Counter(outcome.state for outcome in outcomes),
        "by_file": Counter(map(_kind_of_file, outcomes)),
        "by_damage": Counter(_kind_of_damage(outcome) for outcome in outcomes),
    }
    record("damage", f"python -m benchmarks.damage --damages {damages} --seed {seed}", measured)
    if wrong:
        sys.exit(1)


def _kind_of_file(outcome: Outcome) -> str:
    """Its folder, and what it is there."""
    path = PurePosixPath(outcome.name)
    if len(path.parts) == 1:
        return outcome.name
    named = (
        path.name if path.name in ("generation.json", "manifest.json", "README.md", "scores.jsonl") else ""
    )
    return f"{path.parts[0]}/{named or f'*{path.suffix}'}"


def _kind_of_damage(outcome: Outcome) -> str:
    return "another value of a field" if outcome.kind.startswith("another value of") else outcome.kind


if __name__ == "__main__":
    main()
