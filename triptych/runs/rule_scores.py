"""How many captions got which score of a rule, in few enough bins to lie beside the verdicts.

    RUN/verdicts/scores.jsonl     one RuleScores a rule and job

Verdicts keep only the scores of rules that are violated. These counts are of all captions, so they say what a
rule would reject with its threshold anywhere: exactly, at the edges of the bins. Not its job: counting (see
filtering), showing (see report).
"""

from __future__ import annotations

from typing import Literal

import msgspec


class RuleScores(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule in one job."""

    job: str
    rule: str
    setting: str
    """The key of its threshold under ``filtering`` in the config."""
    threshold: float
    violated: Literal["above", "below"]
    """On which side of the threshold."""
    step: float
    bins: list[tuple[int, int, int]]
    """``(k, captions, captions that no other rule rejects)`` by rising k.

    With the threshold at ``threshold + j * step`` a rule that is violated above it rejects the bins k > j,
    one that is violated below it the bins k < j. The outermost bins hold everything beyond them; scores of 0
    of a rule that is violated above are left out. Duplicates are looked for after the other rules, and count
    as kept here.
    """

    def beyond(self, steps: int) -> tuple[int, int]:
        """Captions that it rejects with its threshold ``steps`` steps away, and how many of them it alone
        rejects."""
        is_above = self.violated == "above"
        taken = [(n, alone) for k, n, alone in self.bins if (k > steps if is_above else k < steps)]
        return sum(n for n, _ in taken), sum(alone for _, alone in taken)
