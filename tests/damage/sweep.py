"""Many damages, one after the other, by several processes: ``python -m tests.damage.sweep``.

Comes in: how many, a seed. Goes out: an Outcome a line, as JSON. Not its job: what is right or wrong (see
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


def sweep(*, damages: int, seed: int = 1, workers: int = 1) -> list[Outcome]:
    """Try ``damages``, drawn from all kinds in turn."""
    arguments = [f"{damages}", f"--seed={seed}", f"--workers={workers}"]
    return outcomes_of_program("tests.damage.sweep", arguments, Outcome)


@click.command()
@click.argument("damages", type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=1, show_default=True)
@click.option("--only", default="", help="A state, file or kind of damage.")
def main(damages: int, seed: int, workers: int, only: str) -> None:
    """Print an outcome a line; on stderr those that were wrong."""
    with scratch_folder("damage-") as folder:
        trials = DamageTrials(folder, seed)
        chosen = drawn([each for each in trials.all() if only in ("", *each)], damages, seed)
        print(f"{len(trials.all())} ways, {len(chosen)} damages", file=sys.stderr)

        def trial_in(own: Path) -> Callable[[Way], Outcome | None]:
            of_process = trials.in_folder(own)
            return lambda way: of_process.attempt(*way)

        print_outcomes(chosen, workers, folder, trial_in, lambda outcome: outcome.wrong)


def drawn(ways: Sequence[tuple[str, str, str]], damages: int, seed: int) -> list[Way]:
    """``damages`` of all ways in a random order, each once before one comes again, at another place then."""
    rng = random.Random(seed)
    chosen: list[Way] = []
    for turn in range(-(-damages // len(ways))):
        shuffled = list(ways)
        rng.shuffle(shuffled)
        chosen += [(*way, turn) for way in shuffled]
    return chosen[:damages]


if __name__ == "__main__":
    main()
