"""Simple image statistics that screens decide by: contrast, brightness, sharpness, resemblance to text.

Comes in: an upright RGB picture, perhaps decoded at reduced scale. Goes out: Measures, taken at one fixed
size, so that they mean the same for every encoder. Not its job: deciding by them (see grouping.screens).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.records import Measures

SIDE_PX = 256
"""Longer side to which a picture is scaled down; a smaller one is measured at its own size."""

BACKGROUND_LEVELS = 24
"""Pixels within this distance of the most common brightness, from 0 to 255, are background."""

MIN_BACKGROUND_SHARE = 0.5
"""A picture with less background isn't a page of text: its ``text`` is 0."""

LITTLE_CONTRAST = 16
"""Standard deviation of brightness, from 0 to 128, below which the colour channels count, too."""

MAX_STROKE_PX = 10
"""A longer run of ink, across or down, is not part of a letter but of a line, an edge or an object."""

MIN_INK_SHARE = 0.03
"""Smallest share of pixels in letters. A picture with less has only a line or a mark on it."""


def measure(picture: Image.Image) -> Measures:
    """The measures of ``picture``. Thread-safe."""
    shades = _small(picture.convert("L"))
    grey, counts = np.asarray(shades), np.array(shades.histogram())
    contrast = _deviation(counts)
    if contrast < LITTLE_CONTRAST:  # colours may vary where brightness doesn't
        by_channel = np.array(_small(picture).histogram()).reshape(3, 256)
        contrast = max(map(_deviation, by_channel))
    cumulative = np.cumsum(counts)
    return Measures(
        contrast=round(contrast, 1),
        darkest=int(np.searchsorted(cumulative, 0.01 * cumulative[-1])),
        brightest=int(np.searchsorted(cumulative, 0.99 * cumulative[-1])),
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
    """Standard deviation of a histogram: ``int64[256]`` counts of the levels 0 to 255."""
    levels = np.arange(256)
    total, summed, squared = int(counts.sum()), int(counts @ levels), int(counts @ levels**2)
    return math.sqrt(total * squared - summed**2) / total


def _sharpness(grey: NDArray[np.int32]) -> float:
    """Variance of the Laplacian of ``int32[height, width]``; 0 if a side has fewer than 3 pixels."""
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    laplacian = (around - 4 * grey[1:-1, 1:-1]).ravel()
    mean = float(laplacian.sum()) / laplacian.size
    return float(np.dot(laplacian, laplacian)) / laplacian.size - mean**2


def _text(grey: NDArray[np.uint8], counts: NDArray[np.int64]) -> float:
    """How much the picture looks like lines of letters on a uniform background, from 0 to about 1.

    Letters are ink with background close by on all four sides. The score is the share of ink in letters,
    which is low in photographs, where most ink forms larger patches, times the relative change of ink in
    letters from one pixel row to the next, which is low in grain.
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
    """``bool[height, width]``: ink in short horizontal runs with background at both ends."""
    height, width = ink.shape
    # 1 where a run begins, -1 behind its end
    change = np.diff(ink.astype(np.int8), axis=1, prepend=np.int8(0), append=np.int8(0))
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    short = (ends - starts <= MAX_STROKE_PX) & (starts > 0) & (ends < width)
    edges = np.zeros((height, width + 1), np.int8)
    edges[rows[short], starts[short]] = 1
    edges[rows[short], ends[short]] = -1
    return np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0
