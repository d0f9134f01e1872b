"""Converts pictures of every mode to RGB: on white, and at 8 bits.

Comes in: a Pillow picture. Goes out: an RGB picture, reduced in size if wanted. Not its job: decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.errors import expect

WHITES = {"I": (255, 65535), "F": (1, 255, 65535)}
"""Possible levels of white in modes of 32-bit integers and floats, which don't define it."""
BRIGHTER_THAN_WHITE = {"I": 1, "F": 1.5}
"""How far levels may exceed white, as a factor, such as edges after a sharpening filter. They are clipped."""
NO_LEVEL = 1e18
"""Larger values mark pixels without data, as in maps: 1e20, or the largest float."""

STRIPE_PIXELS = 4_000_000
"""How much of a large picture is converted at a time."""

MAX_REDUCTION = 64
"""More would distort the aspect ratio, as sides are rounded."""


def to_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """The RGB picture. ``white`` is the level of white in modes of more than 8 bits; by default the highest
    level of 16 bits, for 32 bits a guess by the picture's levels. Raises UsageError for other objects."""
    expect(image, Image.Image, "image")
    if image.mode.startswith("I;16"):
        return _sixteen_bits(image, white or 65535)
    if image.mode in WHITES:
        levels = _levels(image)
        scaled = levels * (255 / (white or _white([levels], image.mode)))
        return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def reduced_to_rgb(image: Image.Image, side_px: int, white: float | None = None) -> Image.Image:
    """The RGB picture at 1/2, 1/3, ... of its size: the smallest with both sides at least ``side_px``.

    Each pixel is the mean of those that it replaces. Stripes are converted one by one to save memory.
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


def _sixteen_bits(image: Image.Image, white: float) -> Image.Image:
    """Grey of 16 bits, of which a PNG can declare one level as transparent."""
    grey = image.convert("I").point(lambda value: value * (256 / (white + 1))).convert("L")
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey.paste(255, mask=Image.fromarray(np.asarray(image) == transparent))
    return grey.convert("RGB")


def _levels(image: Image.Image) -> NDArray[np.floating]:
    """``float[height, width]``, with 0 for NaN and for pixels without data."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        levels = np.asarray(image).astype(np.float64)
        levels[~(np.abs(levels) < NO_LEVEL)] = 0
    return levels


def _white(parts: Iterable[NDArray[np.floating]], mode: str) -> float:
    """The first of WHITES that no level exceeds by much, or else the brightest level."""
    brightest = max(float(part.max()) for part in parts)
    whites = (white for white in WHITES[mode] if brightest <= white * BRIGHTER_THAN_WHITE[mode])
    return next(whites, brightest)
