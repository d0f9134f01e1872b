"""A run with a fault at any change resumes as if nothing had happened. `make crash` tries all changes."""

from __future__ import annotations

from tests.crash.points import KINDS
from tests.crash.sweep import sweep

POINTS = 2 * len(KINDS)
SEED = 1


def test_a_run_resumes_after_a_fault_at_any_change() -> None:
    """Two seeded faults of each kind. The export is the same; no caption is lost or requested twice."""
    outcomes = sweep(points=POINTS, seed=SEED)

    assert {*KINDS} == {outcome.kind for outcome in outcomes}
    assert [] == [str(outcome) for outcome in outcomes if not outcome.survived]
