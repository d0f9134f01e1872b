"""Histograms of rule scores: what a rule or screen would reject at other thresholds.

    RUN/verdicts/scores.jsonl     one RuleScores per rule and job
    RUN/screen_scores.jsonl       one RuleScores per screen, of images

Verdicts keep only the scores of violated rules. These histograms count all captions, so they tell what a rule
would reject at any threshold: exactly, at the edges of the bins. Not its job: measuring (see filtering,
grouping.screens), showing (see report).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_STEPS = 100
"""Bins on either side of a threshold. Scores beyond go into the last one."""

_ROUNDING = 1e-9
"""A score of 0.3 is not beyond a threshold of 0.1 + 20 steps of 0.01."""

Violated = Literal["above", "below"]


class RuleScores(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule in one job, or one screen, whose ``job`` is empty."""

    job: str
    rule: str
    setting: str
    """The config key of the threshold; a rule's is below ``filtering``."""
    threshold: float
    violated: Violated
    """The side of the threshold on which a score violates the rule."""
    step: float
    bins: list[tuple[int, int, int]]
    """``(k, captions, captions that no other rule rejects)`` by increasing k.

    With the threshold at ``threshold + j * step``, a rule that is violated above it rejects the bins k > j,
    one that is violated below it the bins k < j. The outermost bins include everything beyond them. Scores
    of 0 are left out if the rule is violated above. Near duplicates, which are found after all other rules,
    count as kept here.
    """
    is_off: bool = False
    """Whether the screen is off; ``threshold`` is then its default."""

    def beyond(self, steps: int) -> tuple[int, int]:
        """How many captions it rejects with its threshold moved by ``steps``, and how many only it does."""
        is_above = self.violated == "above"
        taken = [(n, alone) for k, n, alone in self.bins if (k > steps if is_above else k < steps)]
        return sum(n for n, _ in taken), sum(alone for _, alone in taken)


def in_bins(
    away: NDArray[np.float64], alone: NDArray[np.bool_], violated: Violated
) -> Iterator[tuple[int, bool, int]]:
    """Count scores that are ``away`` steps from a threshold: ``(k, no other rule rejects them, count)``."""
    import numpy as np

    k = np.ceil(away - _ROUNDING) if violated == "above" else np.floor(away + _ROUNDING)
    both = 2 * (np.clip(k, -MAX_STEPS, MAX_STEPS).astype(np.int64) + MAX_STEPS) + alone
    counted = np.bincount(both)
    for each in np.flatnonzero(counted).tolist():
        yield each // 2 - MAX_STEPS, each % 2 == 1, int(counted[each])
