"""Counts of cosine similarities in bins, added up as they stream by.

Not its job: where they come from (see groups, nearness).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from triptych.report.content import Histogram

STEP = 0.01
_LOW = -1.0
_BINS = round(2 / STEP)


class CosineHistogram:
    """Bins of STEP over [-1, 1]; 1 falls into the last."""

    def __init__(self, name: str, note: str) -> None:
        self._name, self._note = name, note
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, cosines: ArrayLike) -> None:
        """Count some more."""
        # A tiny push up, so that 0.75 as a float falls into the bin that begins at 0.75.
        places = np.floor((np.asarray(cosines, np.float64) - _LOW) / STEP + 1e-6).astype(np.int64)
        self._counts += np.bincount(np.clip(places, 0, _BINS - 1).ravel(), minlength=_BINS)

    def shown(self) -> Histogram:
        """From the first bin with a count to the last."""
        filled = np.flatnonzero(self._counts)
        first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, -1)
        return Histogram(
            name=self._name,
            note=self._note,
            low=round(_LOW + first * STEP, 2),
            step=STEP,
            counts=self._counts[first : last + 1].tolist(),
        )
