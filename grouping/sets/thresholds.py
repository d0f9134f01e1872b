"""Chooses the thresholds between unrelated, related and duplicate images for an encoder and a corpus.

Comes in: the config, unit vectors, the spacing of a sample. Goes out: Thresholds with an explanation. Scales
of cosines differ between encoders, so ``auto`` derives thresholds from the corpus: from the cosines of random
pairs, and of an image and its nearest neighbour other than copies. How near a copy must be depends on the
latter, so both are iterated until they are consistent. Not its job: applying the thresholds.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import DUPLICATE_COSINE_SIMILARITY, RELATED_COSINE_SIMILARITY, SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, pair_cosines
from triptych.grouping.sets.spacing import Spacing

MIN_IMAGES = 50
"""Fewer are no basis for statistics; then the thresholds for ViT-B/32 are used."""

CHANCE_IMAGES, CHANCE_OTHERS = 512, 64
"""Sample of random pairs: images, and random others that each is compared with."""

CHANCE_DEVIATIONS = 2.33
"""Standard deviations above the median at which unrelated pairs have their 99th percentile. The deviation is
measured below the median, since related pairs mix in above it. On the demo's scenes this gives 0.22 as chance
and 0.57 as the related threshold; 0.6 had been tuned by hand against the ground truth."""

DUPLICATE_SHARE = 0.08
"""Duplicates are within this share of the median distance (1 - cosine) to a nearest neighbour. On the demo's
scenes this gives 0.992, the value that had been tuned by hand against the ground truth."""

DUPLICATE_SHARE_WITHOUT_HASHES = 0.20
"""Larger, because no perceptual hashes find the copies beyond it."""

MIN_NEAREST_SHARE = 0.05
"""A nearest neighbour within this share of the median distance of random pairs is a copy. Other nearest
neighbours have a median of 0.10 on the demo's scenes, 0.13 to 0.26 on photographs with the same model, and
0.15 to 0.24 in synthetic corpora (`python -m benchmarks.near_copies`)."""

MAX_CHANCE_COSINE = 0.98
"""Largest usable median cosine of random pairs. A model with random weights has 0.97."""

SAME_VECTOR = 1 - 1e-5
"""Upper limit of the duplicate threshold: in float32, a vector's cosine with itself may be below 1, at worst
0.9999974 at 8,192 dimensions."""

TOO_SIMILAR = "the images are too much alike to tell copies from related ones"

CLOSE_SHARE = 0.2
"""Position of ``close`` between ``related`` (0) and ``duplicate`` (1). In synthetic corpora of 20,000 images,
1 in 5 pairs without a common third image was unrelated below it, and 1 in 80 above it (`python -m
benchmarks.grouping_quality`; docs/decisions/0014-leftovers-join-sets.md)."""

UNLIKE_SHARE = 0.5
"""Distance of ``unlike`` below ``related``, in widths of the band from ``related`` to ``duplicate``. On
labelled photographs, 9 in 10 random pairs are below it, and 1 in 100 of these shows the same kind of subject;
of all random pairs, 3 in 100 do."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine similarities, in [-1, 1]."""

    related: float
    """From here to ``duplicate``, images are related, or duplicates if their perceptual hashes agree."""
    close: float
    """Required of a set of two images if no third image is related to both."""
    duplicate: float
    """From here on, two images are duplicates."""
    unlike: float
    """Below it, two images count as unlike each other."""
    why: str
    """Explanation for the user."""
    warning: str = ""
    """For the user: why the thresholds can't be derived reliably from the corpus; empty if they can."""


def choose_thresholds(
    config: SetsConfig, vectors: UnitVectors, spacing: Spacing, images: int, *, with_hashes: bool
) -> Thresholds:
    """As set in ``config``; those left at ``auto`` are derived from a corpus of ``images`` images."""
    related, duplicate = config.related_cosine_similarity, config.duplicate_cosine_similarity
    derived = _Derived(0.0, 1.0, "as configured")
    if "auto" in (related, duplicate):
        share = DUPLICATE_SHARE if with_hashes else DUPLICATE_SHARE_WITHOUT_HASHES
        derived = _derive(vectors, spacing, images, share)
    lowest = derived.related if related == "auto" else float(related)
    highest = max(derived.duplicate, (1 + lowest) / 2) if duplicate == "auto" else float(duplicate)
    highest = min(highest, SAME_VECTOR)
    lowest = min(lowest, highest - 1e-3 if related == "auto" else highest)
    return Thresholds(
        related=lowest,
        close=round(lowest + CLOSE_SHARE * (highest - lowest), 4),
        duplicate=highest,
        unlike=round(lowest - UNLIKE_SHARE * (highest - lowest), 4),
        why=derived.why,
        warning=derived.warning,
    )


class _Derived(NamedTuple):
    """The related and the duplicate threshold, with explanation and warning."""

    related: float
    duplicate: float
    why: str
    warning: str = ""


def _derive(vectors: UnitVectors, spacing: Spacing, images: int, share: float) -> _Derived:
    if images < MIN_IMAGES:
        return _defaults(f"{images} images are too few to tell")
    random_median = float(np.median(_cosines_by_chance(vectors, spacing, -1.0, 1.0)))
    if random_median > MAX_CHANCE_COSINE:
        return _defaults(f"random pairs have a median cosine of {random_median:.4f}", TOO_SIMILAR)
    beyond = _nearest_beyond_copies(spacing, 1 - random_median, share)
    if beyond is None:
        return _defaults("no image has a neighbour that is no copy", TOO_SIMILAR)
    nearest, radius, warning = beyond
    different = round(images * float(spacing.weights(radius).mean()))
    if different < MIN_IMAGES:
        return _defaults(f"{different} images that are no copies are too few to tell", TOO_SIMILAR)
    by_chance = _cosines_by_chance(vectors, spacing, radius, nearest)
    median = float(np.median(by_chance))
    deviation = median - float(np.quantile(by_chance, 0.1587))  # median - 1 sigma of a normal distribution
    chance = min(median + CHANCE_DEVIATIONS * deviation, nearest)
    why = (
        f"random pairs have a median cosine of {median:.3f} and reach {chance:.3f} by chance; a nearest"
        f" neighbour has {nearest:.3f}: related from midway between the two, duplicates within"
        f" {share:.0%} of a nearest neighbour's distance"
    )
    return _Derived(round((chance + nearest) / 2, 4), round(1 - share * (1 - nearest), 4), why, warning)


def _defaults(found: str, warning: str = "") -> _Derived:
    why = f"{found}; thresholds of ViT-B/32"
    return _Derived(
        RELATED_COSINE_SIMILARITY, DUPLICATE_COSINE_SIMILARITY, why, warning and f"{found}: {warning}"
    )


def _nearest_beyond_copies(
    spacing: Spacing, random_distance: float, share: float
) -> tuple[float, float, str] | None:
    """Median cosine of nearest neighbours beyond the copies, the radius of copies, and a warning or "".

    ``random_distance`` is the median distance (1 - cosine) of random pairs. The radius of copies starts at
    ``share`` of it, then shrinks to ``share`` of the nearest distance beyond it until that is consistent.
    Starting from a small radius wouldn't work: in a corpus where most images have a copy, the nearest
    neighbour would be that copy. None if copies fill the sampled neighbours.
    """
    first = radius = share * random_distance
    distance = farthest = spacing.nearest_beyond(radius)
    while distance is not None and share * distance < radius:
        radius = share * distance
        distance = spacing.nearest_beyond(radius)
    if distance is None or farthest is None:
        return None
    if distance >= MIN_NEAREST_SHARE * random_distance:
        return 1 - distance, radius, ""
    warning = (
        f"neighbours come ever nearer, down to a cosine of {1 - distance:.4f}, as frames of a video do:"
        " nothing tells copies from related images"
    )
    return 1 - farthest, first, warning


def _cosines_by_chance(
    vectors: UnitVectors, spacing: Spacing, radius: float, nearest: float
) -> NDArray[np.float64]:
    """``float64[pairs]``: cosines of random pairs, without images that resemble most of the corpus.

    An image and its copies, within ``radius``, are drawn as often as one image. If one theme makes up most of
    a corpus, pairs within the theme would pass for random ones. Its images are those with a median cosine
    closer to ``nearest`` than to the median cosine of unrelated images (the 5th percentile of medians).
    """
    rng, weights = np.random.default_rng(4), spacing.weights(radius)
    probabilities = weights / weights.sum()
    left = rng.choice(spacing.images, CHANCE_IMAGES, p=probabilities)[:, None]
    right = rng.choice(spacing.images, (CHANCE_IMAGES, CHANCE_OTHERS), p=probabilities)
    left_repeated = np.broadcast_to(left, right.shape).ravel()
    cosines = pair_cosines(vectors, left_repeated, right.ravel()).astype(np.float64).reshape(right.shape)
    medians = np.median(cosines, axis=1)
    is_random = medians <= (np.quantile(medians, 0.05) + nearest) / 2
    by_chance: NDArray[np.float64] = cosines[is_random[:, None] & (left != right)]
    return by_chance
