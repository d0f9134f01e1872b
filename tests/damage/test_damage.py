"""Damage is seen, stops a run or is mended by it, and is set aside alone. Thousands of them: make damage."""

from __future__ import annotations

from tests.damage.sweep import sweep

DAMAGES = 12
SEED = 1


def test_seeded_damages_are_seen_and_mended() -> None:
    """Of any file of a run, of any kind. No command ends in a traceback, and no other export comes of it."""
    outcomes = sweep(damages=DAMAGES, seed=SEED)

    assert DAMAGES - 2 <= len(outcomes)
    assert [] == [str(outcome) for outcome in outcomes if outcome.wrong]
