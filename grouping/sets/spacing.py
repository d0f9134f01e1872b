"""How near images lie to others, and how many copies they have.

Comes in: inverted lists, the image table. Goes out: for a sample of images their nearest others, by an exact
search, from which a median is read in which an image counts as often as it would if its copies were gone. Not
its job: what is a copy (see thresholds).
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
"""Of larger corpora; a median of nearest neighbours is right to about 0.001 with so many."""

OTHERS = 1_024
"""Nearest others of each. Images that have more copies say nothing of what lies behind these."""


class Spacing(NamedTuple):
    """Of the sampled ``images``, ``int64[n]``: distances (1 - cosine) to others, nearest first.

    ``float32[n, others]``; 0 where perceptual hashes say that the other is a copy.
    """

    images: NDArray[np.int64]
    distances: NDArray[np.float32]

    def weights(self, radius: float) -> NDArray[np.float64]:
        """One share an image: it and its copies, those within ``radius``, count as one image together."""
        weights: NDArray[np.float64] = 1.0 / (1 + self._copies(radius))
        return weights

    def nearest_behind(self, radius: float) -> float | None:
        """The weighted median of the nearest distance beyond ``radius``; None where no image has one."""
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
    """Of up to SAMPLE_IMAGES images of those that ``distinct`` masks."""
    everyone = np.flatnonzero(distinct)
    drawn = np.random.default_rng(4).permutation(everyone)[:SAMPLE_IMAGES]
    images = np.sort(drawn).astype(np.int64)
    found, cosines = true_neighbours(lists, images, min(OTHERS, len(everyone) - 1), distinct)
    distances = np.maximum(1 - cosines, 0)
    for line, image in enumerate(images.tolist()):
        distances[line][_pictures_agree(table, image, found[line])] = 0
    return Spacing(images, np.sort(distances, axis=1))


def _pictures_agree(table: ImageTable, image: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not table.has_picture_hash[image]:
        return np.zeros(len(others), bool)
    agree = hashes_agree(table.picture_hashes[image], table.picture_hashes[others])
    both: NDArray[np.bool_] = table.has_picture_hash[others] & agree
    return both
