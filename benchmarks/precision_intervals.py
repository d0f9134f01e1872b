"""How often the 95% interval of a precision holds, and how wide it is, with and without a checker.

    python -m benchmarks.precision_intervals [--trials 2000]

Each trial simulates captions with a known share of good ones, a checker that answers for some of them with
known error rates, and a few hundred human verdicts. Results are median widths and shares of trials.
"""

from __future__ import annotations

import itertools
import statistics
import sys

import click
import numpy as np

from benchmarks.record import record, refuse_dirty_tree
from triptych.report.precision import corrected
from triptych.runs.sampling import wilson_interval

SHARES = (0.8, 0.9, 0.95)
VERDICTS = (150, 300)
CHECKED = (200, 600, 2000)
CHECKERS = {"finds 85%, denies 5%": (0.85, 0.05), "finds 70%, denies 10%": (0.7, 0.1)}
HOLDS = (0.94, 0.96)


def trial(
    rng: np.random.Generator, share: float, checked: int, verdicts: int, finds: float, denies: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The interval from verdicts alone, and the one that also uses a checker."""
    good = rng.random(checked) < share
    answers = np.where(good, rng.random(checked) >= denies, rng.random(checked) >= finds).astype(float)
    judged = good[:verdicts]
    with_checker = corrected(judged.tolist(), answers[:verdicts].tolist(), answers)
    assert with_checker is not None
    return wilson_interval(int(judged.sum()), verdicts), (with_checker.low, with_checker.high)


@click.command()
@click.option("--trials", default=2000, show_default=True)
def main(trials: int) -> None:
    """Simulate and record; exit 1 if an interval with a checker holds too rarely or too often."""
    refuse_dirty_tree()
    rng = np.random.default_rng(17)
    found: dict[str, dict[str, object]] = {}
    wrong = []
    for (checker, (finds, denies)), share, checked, verdicts in itertools.product(
        CHECKERS.items(), SHARES, CHECKED, VERDICTS
    ):
        if verdicts > checked:
            continue
        pairs = [trial(rng, share, checked, verdicts, finds, denies) for _ in range(trials)]
        alone, with_checker = zip(*pairs, strict=True)
        widths = [statistics.median(high - low for low, high in each) for each in (alone, with_checker)]
        holds = [sum(low <= share <= high for low, high in each) / trials for each in (alone, with_checker)]
        name = f"{checker}; {share:.0%} good, {checked} checked, {verdicts} verdicts"
        found[name] = {
            "holds_alone": round(holds[0], 4),
            "holds_with_checker": round(holds[1], 4),
            "width_alone": round(widths[0], 4),
            "width_with_checker": round(widths[1], 4),
            "narrower": round(1 - widths[1] / widths[0], 3),
        }
        if not HOLDS[0] <= round(holds[1], 2) <= HOLDS[1]:
            wrong.append(name)
    measured = {"trials": trials, "intervals": found, "outside_of_94_to_96": wrong}
    record("precision_intervals", f"python -m benchmarks.precision_intervals --trials {trials}", measured)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
