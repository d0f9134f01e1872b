"""The thresholds between unrelated, related and duplicate images, for the encoder and corpus at hand.

Comes in: the config, unit vectors, the spacing of a sample. Goes out: Thresholds and why. Cosines mean
different things to different encoders, so ``auto`` reads them off the corpus: how similar two images are by
chance, and how similar an image and its nearest neighbour are that is no copy. What is a copy is asked of the
corpus too: from far to near, until those that are left aside are the duplicates that follow from the others.
Not its job: applying the thresholds.
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
"""Fewer say nothing about chance; then the thresholds of ViT-B/32 are taken."""

CHANCE_IMAGES, CHANCE_OTHERS = 512, 64
"""So many images are each compared with so many random others."""

CHANCE_DEVIATIONS = 2.33
"""The 99th percentile of unrelated pairs, if they were spread upwards as they are downwards from their
median. The upward side itself is mixed with related pairs. On the demo's scenes this gives 0.22 as
chance and 0.57 as the related threshold, where 0.6 had been set by hand against their truth."""

DUPLICATE_SHARE = 0.08
"""Duplicates are nearer than this share of the usual distance (1 - cosine) to a nearest neighbour. On
the demo's scenes this gives 0.992; against their truth, 0.992 had been set by hand."""

DUPLICATE_SHARE_WITHOUT_HASHES = 0.20
"""Where no perceptual hash can find the copies that lie below the threshold, it has to be lower itself."""

MIN_NEAREST_SHARE = 0.05
"""Of the distance between random pairs. A usual neighbour nearer than that is a copy: on the demo's scenes it
has 0.10, on photographs seen by the same model 0.13 to 0.26, in made-up corpora 0.15 to 0.24
(`python -m benchmarks.near_copies`)."""

MAX_CHANCE_COSINE = 0.98
"""Random pairs that are more alike than this say nothing. Of a model with random weights they have 0.97."""

SAME_VECTOR = 1 - 1e-5
"""No duplicate threshold is above it: in float32 a vector has a cosine a hair below 1 with itself, at worst
0.9999974 of 8,192 dimensions."""

HARDLY_DIFFERENT = "the images are too much alike to tell copies from related ones"

CLOSE_SHARE = 0.2
"""Of the way from ``related`` to ``duplicate``. Of the pairs below it that no third image stands beside, one
in five was unrelated in made-up corpora of 20,000, of those above one in eighty
(`python -m benchmarks.grouping_quality`; docs/decisions/0014-leftovers-join-sets.md)."""


UNLIKE_SHARE = 0.5
"""Of the width of the band, how far below it two images lie that are unlike. On labelled photographs 9 of 10
random pairs do, and of these 1 in 100 is of one kind; of all random pairs 3 in 100 are."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Cosine similarities, in [-1, 1]."""

    related: float
    """Two images are related from here up to below ``duplicate``; duplicates where their hashes agree."""
    close: float
    """Asked of two images that make a set alone, with no third one related to both."""
    duplicate: float
    """From here on, two images are duplicates."""
    unlike: float
    """Below it, two images have nothing to do with each other."""
    why: str
    """For a person: where they come from."""
    warning: str = ""
    """For a person: why the corpus doesn't tell them; empty where it does."""


def choose_thresholds(
    config: SetsConfig, vectors: UnitVectors, spacing: Spacing, images: int, *, with_hashes: bool
) -> Thresholds:
    """The explicit thresholds of ``config``; those left to ``auto`` from the sample of ``images`` images."""
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
    """The related and the duplicate threshold, where they come from, and what speaks against them."""

    related: float
    duplicate: float
    why: str
    warning: str = ""


def _derive(vectors: UnitVectors, spacing: Spacing, images: int, share: float) -> _Derived:
    if images < MIN_IMAGES:
        return _as_usual(f"{images} images are too few to tell")
    alike = float(np.median(_cosines_by_chance(vectors, spacing, -1.0, 1.0)))
    if alike > MAX_CHANCE_COSINE:
        return _as_usual(f"random pairs have a median cosine of {alike:.4f}", HARDLY_DIFFERENT)
    behind = _behind_the_copies(spacing, 1 - alike, share)
    if behind is None:
        return _as_usual("no image has a neighbour that is no copy", HARDLY_DIFFERENT)
    nearest, radius, warning = behind
    different = round(images * float(spacing.weights(radius).mean()))
    if different < MIN_IMAGES:
        return _as_usual(f"{different} images that are no copies are too few to tell", HARDLY_DIFFERENT)
    by_chance = _cosines_by_chance(vectors, spacing, radius, nearest)
    median = float(np.median(by_chance))
    deviation = median - float(np.quantile(by_chance, 0.1587))
    chance = min(median + CHANCE_DEVIATIONS * deviation, nearest)
    why = (
        f"random pairs have a median cosine of {median:.3f} and reach {chance:.3f} by chance; a nearest"
        f" neighbour has {nearest:.3f}: related from midway between the two, duplicates within"
        f" {share:.0%} of a nearest neighbour's distance"
    )
    return _Derived(round((chance + nearest) / 2, 4), round(1 - share * (1 - nearest), 4), why, warning)


def _as_usual(found: str, warning: str = "") -> _Derived:
    why = f"{found}; thresholds of ViT-B/32"
    return _Derived(
        RELATED_COSINE_SIMILARITY, DUPLICATE_COSINE_SIMILARITY, why, warning and f"{found}: {warning}"
    )


def _behind_the_copies(spacing: Spacing, usual: float, share: float) -> tuple[float, float, str] | None:
    """The cosine of a nearest neighbour behind the copies, how far copies reach, and a warning or "".

    ``usual`` is the distance of random pairs. Copies are taken to reach as far as ``share`` of it at first;
    what lies behind them says anew how far they reach, and so on until that stays. Begun from near, the usual
    neighbour of a corpus in which most images have a copy would be that copy. None where the copies
    hide what is behind them.
    """
    first = radius = share * usual
    distance = farthest = spacing.nearest_behind(radius)
    while distance is not None and share * distance < radius:
        radius = share * distance
        distance = spacing.nearest_behind(radius)
    if distance is None or farthest is None:
        return None
    if distance >= MIN_NEAREST_SHARE * usual:
        return 1 - distance, radius, ""
    warning = (
        f"neighbours come ever nearer, down to a cosine of {1 - distance:.4f}, as frames of a video do:"
        " nothing tells copies from related images"
    )
    return 1 - farthest, first, warning


def _cosines_by_chance(
    vectors: UnitVectors, spacing: Spacing, radius: float, nearest: float
) -> NDArray[np.float64]:
    """Cosines of random pairs, without those of images that are like most of the corpus.

    An image and its copies, those within ``radius``, are drawn as often as one image. Where one theme makes
    up most of a corpus, its own pairs are what is usual, and would pass for chance. Its images are known by
    a usual cosine nearer to ``nearest`` than to that of the others.
    """
    drawn, weights = np.random.default_rng(4), spacing.weights(radius)
    chances = weights / weights.sum()
    left = drawn.choice(spacing.images, CHANCE_IMAGES, p=chances)[:, None]
    right = drawn.choice(spacing.images, (CHANCE_IMAGES, CHANCE_OTHERS), p=chances)
    ones = np.broadcast_to(left, right.shape)
    cosines = pair_cosines(vectors, ones.ravel(), right.ravel()).astype(np.float64).reshape(right.shape)
    usual = np.median(cosines, axis=1)
    apart = usual <= (np.quantile(usual, 0.05) + nearest) / 2
    chance: NDArray[np.float64] = cosines[apart[:, None] & (left != right)]
    return chance
