"""A run that is struck at any change goes on as if nothing had been. All points: make crash."""

from __future__ import annotations

from tests.crash.points import KINDS
from tests.crash.sweep import sweep

POINTS = 2 * len(KINDS)
SEED = 1


def test_a_run_struck_at_seeded_changes_goes_on() -> None:
    """Two of each kind. The same command ends with the same export; nothing is lost or asked for twice."""
    outcomes = sweep(points=POINTS, seed=SEED)

    assert {*KINDS} == {outcome.kind for outcome in outcomes}
    assert [] == [str(outcome) for outcome in outcomes if not outcome.survived]
