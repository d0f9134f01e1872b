"""The rules that ship, in order of priority: the first that rejects a caption is its reason.

Comes in: nothing. Goes out: RULES. A new rule is one file beside this one, with a Rule in it, and a line
below. Not its job: what a rule is (see rule), thresholds that a config overrides (see config).
"""

from __future__ import annotations

from triptych.filtering.rule import Rule

__all__ = ["RULES", "Rule"]

RULES: tuple[Rule, ...] = ()
