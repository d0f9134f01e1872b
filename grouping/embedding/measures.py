"""What can be told of a picture before anything is captioned: contrast, light, sharpness, text.

Comes in: an upright RGB picture, perhaps decoded small. Goes out: Measures, of the picture at one size, so
that they mean the same for every encoder. Not its job: what is made of them (see grouping.screens).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.records import Measures

SIDE_PX = 256
"""Of the longer side that a picture is brought down to; a smaller one is measured as it is."""

BACKGROUND_LEVELS = 24
"""Pixels at most so far from the commonest brightness are background."""

MIN_BACKGROUND_SHARE = 0.5
"""A picture with less background is no page of text: its ``text`` is 0."""

LITTLE_CONTRAST = 16
"""Of brightness: below it the colours are looked at, too."""

MAX_STROKE_PX = 10
"""A run of ink that is longer, across or down, is no letter: a line, an edge, a thing."""

MIN_INK_SHARE = 0.03
"""Of the picture, in letters. A picture with less has a line or a mark on it."""


def measure(picture: Image.Image) -> Measures:
    """The measures of ``picture``. For any number of threads."""
    shades = _small(picture.convert("L"))
    grey, counts = np.asarray(shades), np.array(shades.histogram())
    contrast = _deviation(counts)
    if contrast < LITTLE_CONTRAST:  # its colours may differ where its brightness doesn't
        by_channel = np.array(_small(picture).histogram()).reshape(3, 256)
        contrast = max(map(_deviation, by_channel))
    up_to = np.cumsum(counts)
    return Measures(
        contrast=round(contrast, 1),
        darkest=int(np.searchsorted(up_to, 0.01 * up_to[-1])),
        brightest=int(np.searchsorted(up_to, 0.99 * up_to[-1])),
        sharpness=round(_sharpness(grey.astype(np.int32)), 1),
        text=round(_text(grey, counts), 2),
    )


def _small(picture: Image.Image) -> Image.Image:
    scale = SIDE_PX / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _deviation(counts: NDArray[np.int64]) -> float:
    """The standard deviation of levels from 0 to 255 that come so often."""
    levels = np.arange(256)
    total, summed, squared = int(counts.sum()), int(counts @ levels), int(counts @ levels**2)
    return math.sqrt(total * squared - summed**2) / total


def _sharpness(grey: NDArray[np.int32]) -> float:
    """The variance of the Laplacian; 0 where there are no three pixels in a row."""
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    laplacian = (around - 4 * grey[1:-1, 1:-1]).ravel()
    mean = float(laplacian.sum()) / laplacian.size
    return float(np.dot(laplacian, laplacian)) / laplacian.size - mean**2


def _text(grey: NDArray[np.uint8], counts: NDArray[np.int64]) -> float:
    """How much the picture looks like lines of letters on one background, from 0 to about 1.

    Letters are ink with background near on all four sides. The share of the ink that is in letters tells a
    page from a photograph, of which most stands in larger patches; how much letters change from one row of
    pixels to the next tells lines from grain.
    """
    near = np.convolve(counts, np.ones(2 * BACKGROUND_LEVELS + 1, np.int64), "same")
    is_ink = np.abs(np.arange(256) - int(near.argmax())) > BACKGROUND_LEVELS
    ink_share = counts[is_ink].sum() / grey.size
    if not MIN_INK_SHARE <= ink_share <= 1 - MIN_BACKGROUND_SHARE:
        return 0.0
    ink = is_ink[grey]
    letters = _in_short_runs(ink) & _in_short_runs(ink.T).T
    if letters.mean() < MIN_INK_SHARE:
        return 0.0
    by_row = letters.sum(axis=1, dtype=np.int64)
    lines = np.abs(np.diff(by_row)).sum() / by_row.sum()
    return float(letters.sum() / ink.sum() * lines)


def _in_short_runs(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``bool[height, width]``: ink in short runs along a row, with background at both ends."""
    height, width = ink.shape
    beside = np.zeros((height, width + 2), np.int8)
    beside[:, 1:-1] = ink
    change = np.diff(beside, axis=1)  # 1 where a run begins, -1 behind its end
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    short = (ends - starts <= MAX_STROKE_PX) & (starts > 0) & (ends < width)
    edges = np.zeros((height, width + 1), np.int8)
    edges[rows[short], starts[short]] = 1
    edges[rows[short], ends[short]] = -1
    return np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0
