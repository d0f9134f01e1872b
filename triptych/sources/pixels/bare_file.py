"""A file without its metadata, and the orientation of its picture.

A decoder that never sees profiles, texts or EXIF can't fail on them. An orientation that can't be read counts
as upright. Not its job: finding metadata in a file (see the formats' modules).
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from PIL import Image

from triptych.sources.pixels.tiff_directory import Directory

UPRIGHT = 1

ORIENTATION = 0x0112
"""A tag of EXIF and TIFF."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_XMP = re.compile(rb"""tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])""")


class BareFile(NamedTuple):
    """The bytes for the decoder, and what was read from the rest of the file."""

    content: bytes
    orientation: int = UPRIGHT
    damage: str | None = None
    """Why the pixels are incomplete, as far as that shows without decoding."""
    white: int | None = None
    """The level of white, if the decoder doesn't report it."""
    inverted: bool = False
    """Whether 0 is white and the decoder ignores that."""
    size: tuple[int, int] | None = None
    """Width and height, if the decoder only reports them after decoding."""
    without_zeros: bytes | None = None
    """``content`` without trailing zeros of pixel data: if this can be decoded, pixels are missing."""


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture, given its stored ``size``."""
    return (size[1], size[0]) if orientation >= 5 else size


def turned_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """``picture`` turned upright."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def from_metadata(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation in EXIF, or else in XMP."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    try:
        found = Directory(exif).first_integer(ORIENTATION) if exif[:2] in (b"II", b"MM") else None
    except struct.error:
        found = None
    return valid_orientation(found, xmp)


def valid_orientation(found: int | None, xmp: bytes) -> int:
    """``found``, or that in XMP if it is None; UPRIGHT if invalid."""
    if found is None and (match := _XMP.search(xmp)):
        return int(match[1])
    return found if found in _TURNS else UPRIGHT
