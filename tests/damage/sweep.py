"""Tries many damages, one after another, in several processes: ``python -m tests.damage.sweep``.

Comes in: how many to try, a seed. Goes out: one Outcome per line, as JSON. Not its job: judging outcomes (see
trials).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tests.damage.trials import DamageTrials, Outcome
from tests.support.forked_trials import outcomes_of_program, print_outcomes, scratch_folder

Way = tuple[str, str, str, int]
"""A state, a file, a kind of damage, and how often these were drawn before."""


def sweep(*, damages: int, seed: int = 1, workers: int = 1) -> list[Outcome]:
    """Try ``damages`` damages, drawn evenly from all ways."""
    arguments = [f"{damages}", f"--seed={seed}", f"--workers={workers}"]
    return outcomes_of_program("tests.damage.sweep", arguments, Outcome)


@click.command()
@click.argument("damages", type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=1, show_default=True)
@click.option("--only", default="", help="A state, file or kind of damage.")
def main(damages: int, seed: int, workers: int, only: str) -> None:
    """Print one outcome per line, and those that were wrong on stderr too."""
    with scratch_folder("damage-") as folder:
        trials = DamageTrials(folder, seed)
        chosen = drawn([each for each in trials.all() if only in ("", *each)], damages, seed)
        print(f"{len(trials.all())} ways, {len(chosen)} damages", file=sys.stderr)

        def trial_in(own: Path) -> Callable[[Way], Outcome | None]:
            of_process = trials.in_folder(own)
            return lambda way: of_process.attempt(*way)

        print_outcomes(chosen, workers, folder, trial_in, lambda outcome: outcome.wrong)


def drawn(ways: Sequence[tuple[str, str, str]], damages: int, seed: int) -> list[Way]:
    """``damages`` ways in random order. One is repeated, at another place, only after all have been drawn."""
    rng = random.Random(seed)
    chosen: list[Way] = []
    for turn in range(-(-damages // len(ways))):
        shuffled = list(ways)
        rng.shuffle(shuffled)
        chosen += [(*way, turn) for way in shuffled]
    return chosen[:damages]


if __name__ == "__main__":
    main()
