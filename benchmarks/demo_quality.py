"""How much of what a demo's captions say is there, and of what is there they say.

    python -m benchmarks.demo_quality DEMO_FOLDER

What the figures mean: tests/support/demo_truth.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.demo_truth import missed_bounds, score_demo


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Score a finished demo, commit the result, and exit 1 where a bound is missed."""
    refuse_dirty_tree()
    scores = score_demo(folder)
    missed = missed_bounds(scores)
    record("demo_quality", "python -m benchmarks.demo_quality DEMO_FOLDER", {**scores, "missed": missed})
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
