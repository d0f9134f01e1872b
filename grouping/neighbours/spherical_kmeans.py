"""Cell centres by k-means on the sphere.

Comes in: a sample of unit rows. Goes out: centres. Each round's matrix work is cut into fixed pieces
and its sums are taken in a fixed order, so the centres are the same for any number of threads, which
faiss.Kmeans doesn't promise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.faiss_search import Searcher
from triptych.grouping.neighbours.workers import in_threads

TRAINING_ROUNDS = 6
"""Cells only have to be compact: how many are searched is measured on the cells as they are."""

ROWS_AT_ONCE = 4_096


def find_centres(sample: NDArray[np.float32], cells: int, searcher: Searcher) -> NDArray[np.float32]:
    """``float32[cells, dim]``: unit centres. ``sample`` is ``float32[n, dim]`` with n >= cells."""
    first = np.random.default_rng(1).choice(len(sample), cells, replace=False)
    centres: NDArray[np.float32] = sample[np.sort(first)]
    starts = range(0, len(sample), ROWS_AT_ONCE)
    for _ in range(TRAINING_ROUNDS):
        now = centres

        def look(start: int, centres: NDArray[np.float32] = now) -> NDArray[np.int64]:
            return searcher.among(sample[start : start + ROWS_AT_ONCE], centres, 1)[:, 0]

        centres = _means(sample, np.concatenate(list(in_threads(look, starts, searcher))), now)
    return _chained(centres)


def _chained(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """``centres`` in an order in which each is followed by the nearest one that is left."""
    left = np.ones(len(centres), bool)
    order = [0]
    for _ in range(len(centres) - 1):
        left[order[-1]] = False
        cosines = np.where(left, centres @ centres[order[-1]], -np.inf)
        order.append(int(np.argmax(cosines)))
    return centres[order]


def _means(
    sample: NDArray[np.float32], cell_of: NDArray[np.int64], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The unit mean of each cell's rows; a cell without rows stays where it was."""
    means = before.copy()
    order = np.argsort(cell_of, kind="stable")
    cells, starts = np.unique(cell_of[order], return_index=True)
    for cell, rows in zip(cells.tolist(), np.split(order, starts[1:]), strict=True):
        total = sample[rows].sum(axis=0)
        length = float(np.sqrt((total * total).sum()))
        if length > 0:
            means[cell] = total / length
    return means
