"""Measures how near images are to others, and how many copies they have.

Comes in: inverted lists, the image table. Goes out: the distances of a sample of images to their nearest
others, by an exact search, and their weighted median, in which an image and its copies count as one. Not its
job: deciding what a copy is (see thresholds).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.inverted_lists import InvertedLists
from triptych.grouping.neighbours.probe_count import true_neighbours
from triptych.grouping.perceptual_hash import hashes_agree
from triptych.grouping.sets.image_table import ImageTable

SAMPLE_IMAGES = 4_096
"""Size of the sample. The median distance to the nearest neighbour is then accurate to about 0.001."""

OTHERS = 1_024
"""Nearest others per image. Images with more copies are left out of the median."""


class Spacing(NamedTuple):
    """Distances of sampled images to their nearest others."""

    images: NDArray[np.int64]
    """``int64[n]``: the sample."""
    distances: NDArray[np.float32]
    """``float32[n, others]``: 1 - cosine, in [0, 2], ascending; 0 if perceptual hashes of the two agree."""

    def weights(self, radius: float) -> NDArray[np.float64]:
        """``float64[n]``: an image and its copies within ``radius`` have a total weight of one."""
        weights: NDArray[np.float64] = 1.0 / (1 + self._copies(radius))
        return weights

    def nearest_beyond(self, radius: float) -> float | None:
        """Weighted median of the nearest distance beyond ``radius``; None if no image has one."""
        copies = self._copies(radius)
        known = np.flatnonzero(copies < self.distances.shape[1])
        if not len(known):
            return None
        nearest, weights = self.distances[known, copies[known]], self.weights(radius)[known]
        order = np.argsort(nearest, kind="stable")
        half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        return float(nearest[order[min(int(half), len(order) - 1)]])

    def _copies(self, radius: float) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = (self.distances <= radius).sum(axis=1)
        return counts


def measure_spacing(lists: InvertedLists, table: ImageTable, distinct: NDArray[np.bool_]) -> Spacing:
    """The spacing of up to SAMPLE_IMAGES of the ``distinct`` images."""
    candidates = np.flatnonzero(distinct)
    sample = np.random.default_rng(4).permutation(candidates)[:SAMPLE_IMAGES]
    images = np.sort(sample).astype(np.int64)
    found, cosines = true_neighbours(lists, images, min(OTHERS, len(candidates) - 1), distinct)
    distances = np.maximum(1 - cosines, 0)
    for row, image in enumerate(images.tolist()):
        distances[row][_pictures_agree(table, image, found[row])] = 0
    return Spacing(images, np.sort(distances, axis=1))


def _pictures_agree(table: ImageTable, image: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not table.has_picture_hash[image]:
        return np.zeros(len(others), bool)
    agree = hashes_agree(table.picture_hashes[image], table.picture_hashes[others])
    both: NDArray[np.bool_] = table.has_picture_hash[others] & agree
    return both
