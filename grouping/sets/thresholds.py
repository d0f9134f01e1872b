"""The thresholds between unrelated, related and duplicate images, for the encoder and corpus at hand.

Comes in: the config, unit vectors, neighbours. Goes out: Thresholds and why. Cosines mean different things to
different encoders, so ``auto`` reads them off the corpus: how similar two images are by chance, and how
similar an image and its nearest neighbour are. Not its job: applying the thresholds.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import DUPLICATE_COSINE_SIMILARITY, RELATED_COSINE_SIMILARITY, SetsConfig
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitVectors, pair_cosines

MIN_IMAGES = 50
"""Fewer say nothing about chance; then the thresholds of ViT-B/32 are taken."""

CHANCE_IMAGES, CHANCE_OTHERS = 512, 64
"""So many images are each compared with so many random others."""

CHANCE_DEVIATIONS = 2.33
"""The 99th percentile of unrelated pairs, if they were spread upwards as they are downwards from their
median. The upward side itself is mixed with related pairs. On the demo's scenes this gives 0.22 as
chance and 0.6 as the related threshold, where one set by hand against their truth had been put."""

DUPLICATE_SHARE = 0.10
"""Duplicates are nearer than this share of the usual distance (1 - cosine) to a nearest neighbour. On
the demo's scenes this gives 0.993; against their truth, 0.992 had been set by hand."""

DUPLICATE_SHARE_WITHOUT_HASHES = 0.20
"""Where no perceptual hash can find the copies that lie below the threshold, it has to be lower itself."""

CLOSE_SHARE = 0.2
"""Of the way from ``related`` to ``duplicate``. Of the pairs below it that no third image stands beside, one
in five was unrelated in made-up corpora of 20,000, of those above one in eighty
(`python -m benchmarks.grouping_quality`; docs/decisions/0014-leftovers-join-sets.md)."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine similarities, in [-1, 1]."""

    related: float
    """Two images are related from here up to below ``duplicate``."""
    close: float
    """Asked of two images that make a set alone, with no third one related to both, and of an image that
    joins a set at the end."""
    duplicate: float
    """From here on, two images are duplicates."""
    hashes_decide_from: float
    """From here up to ``duplicate``, images are duplicates whose perceptual hashes agree."""
    why: str
    """For a person: where they come from."""


def choose_thresholds(
    config: SetsConfig,
    vectors: UnitVectors,
    neighbours: Neighbours,
    distinct: NDArray[np.bool_],
    *,
    with_hashes: bool,
) -> Thresholds:
    """The explicit thresholds of ``config``; those left to ``auto`` from images that ``distinct`` masks."""
    related, duplicate = config.related_cosine_similarity, config.duplicate_cosine_similarity
    why = "as configured"
    if "auto" in (related, duplicate):
        auto_related, auto_duplicate, why = _derive(vectors, neighbours, distinct, with_hashes)
        related = auto_related if related == "auto" else related
        duplicate = max(auto_duplicate, (1 + float(related)) / 2) if duplicate == "auto" else duplicate
        related = min(float(related), float(duplicate) - 1e-3)
    related, duplicate = float(related), float(duplicate)
    return Thresholds(
        related=related,
        close=round(related + CLOSE_SHARE * (duplicate - related), 4),
        duplicate=duplicate,
        hashes_decide_from=round((related + duplicate) / 2, 4),
        why=why,
    )


def _derive(
    vectors: UnitVectors, neighbours: Neighbours, distinct: NDArray[np.bool_], with_hashes: bool
) -> tuple[float, float, str]:
    """The related and the duplicate threshold, and why."""
    images = np.flatnonzero(distinct)
    if len(images) < MIN_IMAGES:
        why = f"{len(images)} images are too few to tell; thresholds of ViT-B/32"
        return RELATED_COSINE_SIMILARITY, DUPLICATE_COSINE_SIMILARITY, why
    nearest = float(np.median(neighbours.cosines[images, 0]))
    by_chance = _cosines_by_chance(vectors, images, nearest)
    median = float(np.median(by_chance))
    deviation = median - float(np.quantile(by_chance, 0.1587))
    chance = min(median + CHANCE_DEVIATIONS * deviation, nearest)
    related = round((chance + nearest) / 2, 4)
    share = DUPLICATE_SHARE if with_hashes else DUPLICATE_SHARE_WITHOUT_HASHES
    duplicate = round(1 - share * (1 - nearest), 4)
    why = (
        f"random pairs have a median cosine of {median:.3f} and reach {chance:.3f} by chance; a nearest"
        f" neighbour has {nearest:.3f}: related from midway between the two, duplicates within"
        f" {share:.0%} of a nearest neighbour's distance"
    )
    return related, duplicate, why


def _cosines_by_chance(
    vectors: UnitVectors, images: NDArray[np.int64], nearest: float
) -> NDArray[np.float64]:
    """Cosines of random pairs, without those of images that are like most of the corpus.

    Where one theme makes up most of a corpus, its own pairs are what is usual, and would pass for
    chance. Its images are known by a usual cosine nearer to ``nearest`` than to that of the others.
    """
    drawn = np.random.default_rng(4)
    left = drawn.choice(images, CHANCE_IMAGES)[:, None]
    right = drawn.choice(images, (CHANCE_IMAGES, CHANCE_OTHERS))
    ones = np.broadcast_to(left, right.shape)
    cosines = pair_cosines(vectors, ones.ravel(), right.ravel()).astype(np.float64).reshape(right.shape)
    usual = np.median(cosines, axis=1)
    apart = usual <= (np.quantile(usual, 0.05) + nearest) / 2
    chance: NDArray[np.float64] = cosines[apart[:, None] & (left != right)]
    return chance
