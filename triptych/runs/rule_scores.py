"""How many captions got which score of a rule, in few enough bins to lie beside the verdicts.

    RUN/verdicts/scores.jsonl     one RuleScores a rule and job

Verdicts keep only the scores of rules that drop. These counts are of all captions, so they say what a rule
would drop with its bound anywhere: exactly, at the edges of the bins. Not its job: counting (see filtering),
showing (see export).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from triptych.records import JobName


class RuleScores(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule in one job."""

    job: JobName
    rule: str
    setting: str
    """The name of its bound among the stage's settings; empty where the bound is a constant."""
    bound: float
    drops: Literal["above", "below"]
    step: float
    bins: list[tuple[int, int, int]]
    """``(k, captions, captions that no other rule drops)`` by rising k.

    With the bound at ``bound + j * step`` a rule that drops above it drops the bins k > j, one that drops
    below it the bins k < j. The outermost bins hold everything beyond them; scores of 0 of a rule that drops
    above are left out. Copies of captions are looked for after the other rules, and count as kept here.
    """

    def beyond(self, steps: int) -> tuple[int, int]:
        """Captions that it drops with its bound ``steps`` steps away, and how many of them it alone drops."""
        is_above = self.drops == "above"
        taken = [(n, alone) for k, n, alone in self.bins if (k > steps if is_above else k < steps)]
        return sum(n for n, _ in taken), sum(alone for _, alone in taken)
