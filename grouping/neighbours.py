"""Who is near whom; the one file that imports faiss.

Comes in: unit vectors, ``float32[n, dim]``. Goes out: row numbers of near ones. The search is exact;
its cosines only preselect, those that decide are computed by vectors.pair_cosines. Not its job: what
near means for duplicates and sets.
"""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

SEARCH_SLACK = 1e-4
"""Searched below a bound by this much: a matrix product and a plain sum differ by less in float32."""


class NeighbourSearch:
    """An exact search over fixed rows."""

    def __init__(self, units: NDArray[np.float32]) -> None:
        self._units = np.ascontiguousarray(units, dtype=np.float32)
        self._index = faiss.IndexFlatIP(units.shape[1])
        self._index.add(self._units)

    def nearest(self, count: int) -> NDArray[np.int64]:
        """The ``count`` nearest other rows of every row, as ``int64[n, count]``, nearest first.

        Where there are fewer than ``count`` others, or a row crowds itself out among equals, a place
        at the end holds -1.
        """
        rows = len(self._units)
        if rows == 0:
            return np.full((0, count), -1, np.int64)
        _, found = self._index.search(self._units, min(count + 1, rows))
        nearest = np.full((rows, count), -1, np.int64)
        for row, others in enumerate(found):
            kept = others[(others != row) & (others >= 0)][:count]
            nearest[row, : len(kept)] = kept
        return nearest

    def within(self, queries: NDArray[np.int64], min_cosine: float) -> list[NDArray[np.int64]]:
        """For each row of ``queries``, every other row that may reach ``min_cosine``, ascending.

        However many there are, none is missed; some may miss the bound by up to 2 * SEARCH_SLACK.
        """
        if len(queries) == 0:
            return []
        limits, _, found = self._index.range_search(self._units[queries], min_cosine - SEARCH_SLACK)
        groups = np.split(found.astype(np.int64), limits[1:-1].astype(np.int64))
        return [np.sort(group[group != row]) for row, group in zip(queries, groups, strict=True)]
