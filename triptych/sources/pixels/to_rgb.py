"""Pictures of every mode to RGB: what is transparent becomes white, and wide levels are brought to 8 bits.

Comes in: a decoded picture of Pillow's. Goes out: an RGB picture, of a large one a smaller one. Not its job:
decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHITES = {"I": (255, 65535), "F": (1, 255, 65535)}
"""What white may be in pictures of 32-bit integers or floats, which have no place for it: the ranges of 8 and
16 bits, and of floats from 0 to 1."""
BRIGHTER_THAN_WHITE = {"I": 1, "F": 1.5}
"""So many times as bright as white a level may be, which then is white: what a filter makes of an edge."""
NO_LEVEL = 1e18
"""From here on it stands for a pixel without one, as in maps: 1e20, or the largest float."""

STRIPE_PIXELS = 4_000_000
"""Of a large picture that are worked on at a time."""

MAX_REDUCTION = 64
"""At more the rounding of the smaller sides would tell in the proportion."""


def to_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """The RGB picture. ``white`` is the level of white in modes of more than 8 bits; None: of 16 bits the
    highest, of more than that this picture's own."""
    if image.mode.startswith("I;16"):
        return _sixteen_bits(image, white or 65535)
    if image.mode in WHITES:
        levels = _levels(image)
        scaled = levels * (255 / (white or _white([levels], image.mode)))
        return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def reduced_to_rgb(image: Image.Image, side_px: int, white: float | None = None) -> Image.Image:
    """The RGB picture at 1/2, 1/3, ... of its size: the least that leaves both sides ``side_px``.

    Each pixel is the mean of those in its place. It is made a stripe at a time, so that a large picture needs
    little more memory than Pillow's own copy of it.
    """
    factor = max(1, min(MAX_REDUCTION, min(image.size) // side_px))
    rows = factor * max(1, STRIPE_PIXELS // (factor * image.width))
    if image.mode in WHITES:
        white = _white((_levels(stripe) for _, stripe in _stripes(image, rows)), image.mode)
    small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, stripe in _stripes(image, rows):
        small.paste(to_rgb(stripe, white).reduce(factor), (0, top // factor))
    return small


def _stripes(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _sixteen_bits(image: Image.Image, white: float) -> Image.Image:
    """Grey, of which PNG can name one level that stands for transparent."""
    grey = image.convert("I").point(lambda value: value * (256 / (white + 1))).convert("L")
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.paste(255, mask=Image.fromarray(np.asarray(image) == transparent))
    return grey.convert("RGB")


def _levels(image: Image.Image) -> NDArray[np.floating]:
    """``float[height, width]``. What is no number or no level is 0."""
    with np.errstate(invalid="ignore"):  # some of what is no number
        levels = np.asarray(image).astype(np.float64)
        levels[~(np.abs(levels) < NO_LEVEL)] = 0
    return levels


def _white(parts: Iterable[NDArray[np.floating]], mode: str) -> float:
    """The first of WHITES that no level exceeds by much, else the brightest level."""
    brightest = max(float(part.max()) for part in parts)
    whites = (white for white in WHITES[mode] if brightest <= white * BRIGHTER_THAN_WHITE[mode])
    return next(whites, brightest)
