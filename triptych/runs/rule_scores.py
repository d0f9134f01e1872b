"""How many captions got which score of a rule, in few enough bins to lie beside the verdicts.

    RUN/verdicts/scores.jsonl     one RuleScores a rule and job
    RUN/screen_scores.jsonl       one RuleScores a screen: the same of images

Verdicts keep only the scores of rules that are violated. These counts are of all captions, so they say what a
rule would reject with its threshold anywhere: exactly, at the edges of the bins. Not its job: measuring
(see filtering, grouping.screens), showing (see report).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_STEPS = 100
"""Bins on either side of a threshold. What lies beyond is put into the last."""

_ROUNDING = 1e-9
"""A score of 0.3 is not beyond a threshold of 0.1 + 20 steps of 0.01."""

Violated = Literal["above", "below"]


class RuleScores(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule in one job, or one screen, whose ``job`` is empty."""

    job: str
    rule: str
    setting: str
    """The key of its threshold in the config, of a rule under ``filtering``."""
    threshold: float
    violated: Violated
    """On which side of the threshold."""
    step: float
    bins: list[tuple[int, int, int]]
    """``(k, captions, captions that no other rule rejects)`` by rising k.

    With the threshold at ``threshold + j * step`` a rule that is violated above it rejects the bins k > j,
    one that is violated below it the bins k < j. The outermost bins hold everything beyond them; scores of 0
    of a rule that is violated above are left out. Duplicates are looked for after the other rules, and count
    as kept here.
    """
    is_off: bool = False
    """Of a screen: whether nothing is left out by it, and ``threshold`` is what it has where it is on."""

    def beyond(self, steps: int) -> tuple[int, int]:
        """Captions that it rejects with its threshold ``steps`` steps away, and how many of them it alone
        rejects."""
        is_above = self.violated == "above"
        taken = [(n, alone) for k, n, alone in self.bins if (k > steps if is_above else k < steps)]
        return sum(n for n, _ in taken), sum(alone for _, alone in taken)


def in_bins(
    away: NDArray[np.float64], alone: NDArray[np.bool_], violated: Violated
) -> Iterator[tuple[int, bool, int]]:
    """``(k, whether no other rule rejects them, how many)`` of scores ``away`` steps from a threshold."""
    import numpy as np

    k = np.ceil(away - _ROUNDING) if violated == "above" else np.floor(away + _ROUNDING)
    both = 2 * (np.clip(k, -MAX_STEPS, MAX_STEPS).astype(np.int64) + MAX_STEPS) + alone
    counted = np.bincount(both)
    for each in np.flatnonzero(counted).tolist():
        yield each // 2 - MAX_STEPS, each % 2 == 1, int(counted[each])
