"""Centroids of cells by spherical k-means.

Comes in: a sample of unit vectors. Goes out: centroids. Each round's matrix work is cut into fixed pieces
and its sums are taken in a fixed order, so the centroids are the same for any number of threads, which
faiss.Kmeans doesn't promise. Not its job: the sample (see inverted_lists).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.searcher import Searcher, in_threads

TRAINING_ROUNDS = 6
"""Cells only have to be compact: how many are probed is measured on the cells as they are."""

VECTORS_AT_ONCE = 4_096


def spherical_kmeans(sample: NDArray[np.float32], cells: int, searcher: Searcher) -> NDArray[np.float32]:
    """``float32[cells, dim]``: unit centroids. ``sample`` is ``float32[n, dim]`` with n >= cells."""
    first = np.random.default_rng(1).choice(len(sample), cells, replace=False)
    centroids: NDArray[np.float32] = sample[np.sort(first)]
    starts = range(0, len(sample), VECTORS_AT_ONCE)
    for _ in range(TRAINING_ROUNDS):
        now = centroids

        def assign(start: int, centroids: NDArray[np.float32] = now) -> NDArray[np.int64]:
            return searcher.nearest_centroids(sample[start : start + VECTORS_AT_ONCE], centroids, 1)[:, 0]

        centroids = _means(sample, np.concatenate(list(in_threads(assign, starts, searcher))), now)
    return _chained(centroids)


def _means(
    sample: NDArray[np.float32], cell_of: NDArray[np.int64], before: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The unit mean of each cell's vectors; a cell without any stays where it was."""
    means = before.copy()
    order = np.argsort(cell_of, kind="stable")
    cells, starts = np.unique(cell_of[order], return_index=True)
    for cell, members in zip(cells.tolist(), np.split(order, starts[1:]), strict=True):
        total = sample[members].sum(axis=0)
        length = float(np.sqrt((total * total).sum()))
        if length > 0:
            means[cell] = total / length
    return means


def _chained(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """``centroids`` in an order in which each is followed by the nearest one that is left."""
    left = np.ones(len(centroids), bool)
    order = [0]
    for _ in range(len(centroids) - 1):
        left[order[-1]] = False
        cosines = np.where(left, centroids @ centroids[order[-1]], -np.inf)
        order.append(int(np.argmax(cosines)))
    return centroids[order]
