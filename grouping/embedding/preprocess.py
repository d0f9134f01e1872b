"""Upright pictures to what an image tower sees, with torch's antialiased resize.

Comes in: an RGB picture, the tower's InputShape. Goes out: uint8 pixels, resized and cropped as torchvision
does and therefore open_clip's, timm's and transformers' own transforms. Normalising is left to the encoder,
a batch at a time on its device. Not its job: decoding (see prepare).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.errors import SetupError

ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]


class InputShape(msgspec.Struct, frozen=True, kw_only=True):
    """What an image tower sees."""

    height_px: int
    width_px: int
    resize_mode: ResizeMode = "shortest"
    """``shortest`` scales until a picture covers the frame and crops it, ``longest`` until it fits in and
    pads it, ``squash`` scales both sides apart."""
    cropped_from: tuple[int, int] | None = None
    """Height and width in pixels of a larger frame that pictures are scaled to; the tower then sees its
    middle. None: they are scaled to what it sees."""
    interpolation: Interpolation = "bicubic"
    fill: tuple[int, int, int] = (0, 0, 0)
    """The colour that is padded with, in [0, 255]."""

    @property
    def scaled_to(self) -> tuple[int, int]:
        """Height and width in pixels of the frame that pictures are scaled to."""
        return self.cropped_from or (self.height_px, self.width_px)

    def grey(self) -> NDArray[np.uint8]:
        """``uint8[1, height_px, width_px, 3]``: what a tower sees of a plain grey picture."""
        return np.full((1, self.height_px, self.width_px, 3), 128, np.uint8)


def supported_filter(name: str) -> Interpolation:
    """Raises SetupError where pictures can't be resized so."""
    match name:
        case "bicubic" | "bilinear":
            return name
    raise SetupError(f"its pictures are resized by {name}; expected bicubic or bilinear")


class Resized(NamedTuple):
    """A picture at a tower's scale: all of it, and the frame that the tower sees."""

    whole: NDArray[np.uint8]
    """``uint8[height, width, 3]`` before it is cropped or padded."""
    framed: NDArray[np.uint8]
    """``uint8[height_px, width_px, 3]`` of the InputShape."""


def resize_to(shape: InputShape, picture: Image.Image, width_px: int, height_px: int) -> Resized:
    """``picture`` as a tower of ``shape`` sees it. ``width_px`` and ``height_px`` are those of the original.

    The picture may have been decoded at 1/2, 1/4 or 1/8. libjpeg then rounds its sides up, so that 1500
    pixels at 1/8 are 187.5 of 188; taking them for 188 would stretch the picture and cost more accuracy
    than decoding at 1/8 does (pixels apart at 112: 0.040 against 0.013, in normalised units).

    torch's resize of uint8 is Pillow's filter in vector instructions: at most 1 of 255 apart, and 4 times
    faster (1125 x 750 to 336 x 224 pixels: 1.0 ms against 4.7 ms). For any number of threads.
    """
    pixels = np.array(picture)
    wanted = _whole_size(shape, width_px, height_px)
    reduced_by = round(max(width_px, height_px) / max(picture.size))
    covered = (height_px / reduced_by, width_px / reduced_by)
    whole = pixels if covered == wanted else _resample(pixels, covered, wanted, shape.interpolation)
    framed = _fit(_fit(whole, shape.height_px, 0, shape.fill), shape.width_px, 1, shape.fill)
    return Resized(whole, framed)


def _whole_size(shape: InputShape, width_px: int, height_px: int) -> tuple[int, int]:
    """Height and width, in pixels, before cropping or padding."""
    tall, wide = shape.scaled_to
    if shape.resize_mode == "squash":
        return tall, wide
    if shape.resize_mode == "shortest" and tall == wide:
        # torchvision's Resize cuts the longer side down to an integer; open_clip's and timm's own round.
        if width_px <= height_px:
            return int(wide * height_px / width_px), wide
        return tall, int(tall * width_px / height_px)
    ratios = (height_px / tall, width_px / wide)
    ratio = max(ratios) if shape.resize_mode == "longest" else min(ratios)
    return max(1, round(height_px / ratio)), max(1, round(width_px / ratio))


def _resample(
    pixels: NDArray[np.uint8],
    covered: tuple[float, float],
    wanted: tuple[int, int],
    interpolation: Interpolation,
) -> NDArray[np.uint8]:
    """``covered`` pixels (height, width) of ``pixels``, which may have a fraction more, as ``wanted``."""
    import torch

    planes = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)
    # torch cuts sides down to integers: a hair more, so that 111.99999999999999 becomes 112.
    factors = tuple(to / of * (1 + 1e-9) for to, of in zip(wanted, covered, strict=True))
    resized = torch.nn.functional.interpolate(
        planes, scale_factor=factors, mode=interpolation, antialias=True, recompute_scale_factor=False
    )
    result: NDArray[np.uint8] = resized[0].permute(1, 2, 0).numpy()
    return result[: wanted[0], : wanted[1]]


def _fit(pixels: NDArray[np.uint8], side_px: int, axis: int, fill: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The middle ``side_px`` along ``axis``; where there are fewer, ``fill`` on both sides."""
    excess = pixels.shape[axis] - side_px
    if excess >= 0:
        start = round(excess / 2)
        return pixels[start : start + side_px] if axis == 0 else pixels[:, start : start + side_px]
    start = -excess // 2
    padded = np.empty((*pixels.shape[:axis], side_px, *pixels.shape[axis + 1 :]), np.uint8)
    padded[:] = fill
    inside = slice(start, start + pixels.shape[axis])
    padded[(slice(None),) * axis + (inside,)] = pixels
    return padded
