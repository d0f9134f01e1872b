"""Damage to a run folder is detected, and can be repaired alone. `make damage` tries thousands of damages."""

from __future__ import annotations

from tests.damage.sweep import sweep

DAMAGES = 12
SEED = 1


def test_damage_to_any_file_is_detected_and_repaired() -> None:
    """Seeded damages of all kinds. No command ends in a traceback, and no different export is made."""
    outcomes = sweep(damages=DAMAGES, seed=SEED)

    assert DAMAGES - 2 <= len(outcomes)
    assert [] == [str(outcome) for outcome in outcomes if outcome.wrong]
