"""Tries many faults, one after another, in several processes: ``python -m tests.crash.sweep``.

Comes in: how many to try, a seed. Goes out: one Outcome per line, as JSON. Not its job: judging outcomes (see
points).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tests.crash.points import (
    KINDS,
    CrashPoints,
    Outcome,
    captioned_anew,
    first_run,
    made_again,
    second_run,
)
from tests.support.forked_trials import outcomes_of_program, print_outcomes, scratch_folder

Point = tuple[CrashPoints, str, int]


def sweep(*, points: int | None = None, seed: int = 1, workers: int = 1) -> list[Outcome]:
    """Try ``points`` of all points, drawn evenly from the kinds of faults; None: all of them."""
    drawn_points = [] if points is None else [f"--points={points}"]
    arguments = [f"--seed={seed}", f"--workers={workers}", *drawn_points]
    return outcomes_of_program("tests.crash.sweep", arguments, Outcome)


@click.command()
@click.option("--points", type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(points: int | None, seed: int, workers: int) -> None:
    """Print one outcome per line, and those that did not survive on stderr too."""
    with scratch_folder("crash-") as folder:
        for name in ("first", "second", "again", "anew"):
            (folder / name).mkdir()
        first = first_run(folder / "first", seed)
        runs = (
            first,
            second_run(folder / "second", first, seed),
            made_again(folder / "again", first, seed),
            captioned_anew(folder / "anew", first, seed),
        )
        chosen = drawn(runs, points, seed)
        print(f"{len(chosen)} faults", file=sys.stderr)
        print_outcomes(chosen, workers, folder, _strike_in, lambda outcome: not outcome.survived)


def drawn(runs: Sequence[CrashPoints], points: int | None, seed: int) -> list[Point]:
    """Points in random order, equally many of each kind of fault."""
    rng = random.Random(seed)
    chosen: list[Point] = []
    for kind in KINDS:
        of_kind = [(run, *point) for run in runs for point in run.points([kind])]
        rng.shuffle(of_kind)
        chosen += of_kind if points is None else of_kind[: -(-points // len(KINDS))]
    rng.shuffle(chosen)
    return chosen[:points]


def _strike_in(folder: Path) -> Callable[[Point], Outcome]:
    def strike(point: Point) -> Outcome:
        run, kind, number = point
        return run.in_folder(folder).attempt(kind, number)

    return strike


if __name__ == "__main__":
    main()
