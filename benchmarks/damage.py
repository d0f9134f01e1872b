"""Damage every kind of file of a run in every way, and check that the damage is detected and repaired.

    python -m benchmarks.damage [--damages 2050] [--seed 1] [--workers 2]

Damages are changed bits, bytes, blocks, lines and whole files, and values of every field replaced by others
of the same size. They are made in a finished run with four exports and captions that were set aside, and in
runs killed in each stage: see tests/damage. After each damage

- `triptych status`, `verify` and `report` must end without a traceback;
- `verify` (in an unfinished run: the stage that reads the file) must detect it, unless it provably changes
  nothing that a stage or a reader uses;
- the next run must refuse, naming the file and what to do, or end with the same export;
- after `triptych repair` the run must end with the same export, without repeating a request whose caption
  still exists.

Exits 1 if any of this fails.
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
    """Measure and record the result."""
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
    """Its folder, with its name or its suffix."""
    path = PurePosixPath(outcome.name)
    if len(path.parts) == 1:
        return outcome.name
    is_named = path.name in ("generation.json", "manifest.json", "README.md", "scores.jsonl")
    return f"{path.parts[0]}/{path.name if is_named else f'*{path.suffix}'}"


def _kind_of_damage(outcome: Outcome) -> str:
    return "another value of a field" if outcome.kind.startswith("another value of") else outcome.kind


if __name__ == "__main__":
    main()
