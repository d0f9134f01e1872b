"""Shares of counted items, with confidence intervals.

Comes in: counts. Goes out: 95% intervals, and shares in words.
"""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


def wilson_interval(good: float, judged: float, z: float = Z_95) -> tuple[float, float]:
    """The score interval of Wilson (1927) for ``good`` of ``judged`` (at least 1), within [0, 1]."""
    share = good / judged
    centre = share + z * z / (2 * judged)
    spread = z * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    scale = 1 + z * z / judged
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def in_words(count: int, of: int) -> str:
    """A share with its interval.

    >>> in_words(12, 200)
    '6.0% (95% interval 3.5% to 10.2%)'
    """
    low, high = wilson_interval(count, of)
    return f"{count / of:.1%} (95% interval {low:.1%} to {high:.1%})"
