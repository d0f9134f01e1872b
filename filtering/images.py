"""Rules for captions of sets: every image is spoken of, and none that isn't there.

Comes in: a candidate. Goes out: numbers of images. Captions of one image have 0. Not its job: finding
out which images a text speaks of (see references), whether what it says of them is true (see grounding).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where, says
from triptych.filtering.candidate import Candidate
from triptych.filtering.plain_numbers import are_plainly_numbered


def missing_images(candidate: Candidate) -> float:
    """The number of the set's images that the caption says nothing of."""
    if _is_plain(candidate):
        return 0.0
    return float(candidate.image_count - candidate.references.covered)


def unknown_images(candidate: Candidate) -> float:
    """How often the caption names an image that isn't in the set, or says there are more or fewer."""
    if _is_plain(candidate):
        return 0.0
    found = candidate.references
    beyond = [number for number in found.named if not 1 <= number <= candidate.image_count]
    miscounted = [number for number in found.counted if number != candidate.image_count]
    return float(len(beyond) + len(miscounted))


def _is_plain(candidate: Candidate) -> bool:
    """Whether there is nothing to look into."""
    return not candidate.is_multi or not candidate.unit_count or says(are_plainly_numbered, candidate)


def screen_images(block: Block) -> NDArray[np.float64]:
    """0 for captions of one image, and for ones that name each image of their set plainly."""
    return look_where(~block.once(are_plainly_numbered)) if block.is_multi else np.zeros(len(block))
