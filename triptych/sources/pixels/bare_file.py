"""A file without its metadata, and which way up its picture was stored.

Pixels decide: a decoder that never sees a profile, a text or EXIF can't fail on a strange one. EXIF and XMP
come from a camera or from anybody: whatever can't be read is 1, upright. Not its job: where they are kept.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from PIL import Image

from triptych.sources.pixels.tiff_directory import Directory

UPRIGHT = 1

ORIENTATION = 0x0112
"""Its tag in EXIF and TIFF."""

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
    """The bytes for the decoder, and what the rest of the file said."""

    content: bytes
    orientation: int = UPRIGHT
    damage: str | None = None
    """Why the pixels can't be whole, as far as it shows without decoding."""
    white: int | None = None
    """The level of white, where the decoder doesn't say it."""
    inverted: bool = False
    """Whether 0 is white, where the decoder doesn't know it."""
    size: tuple[int, int] | None = None
    """Width and height, where the decoder would say them too late."""
    without_zeros: bytes | None = None
    """The same without zeros at the end of its codes: if that is a picture as well, they were none."""


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture of one that is stored in ``size``."""
    return (size[1], size[0]) if orientation >= 5 else size


def turned_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """``picture`` as it is to be seen."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def from_metadata(exif: bytes, xmp: bytes = b"") -> int:
    """What EXIF says; where it says nothing, what XMP does."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    try:
        found = Directory(exif).first_integer(ORIENTATION) if exif[:2] in (b"II", b"MM") else None
    except struct.error:
        found = None
    return valid_orientation(found, xmp)


def valid_orientation(found: int | None, xmp: bytes) -> int:
    """``found``, what XMP says where that is None, or 1."""
    if found is None and (match := _XMP.search(xmp)):
        return int(match[1])
    return found if found in _TURNS else UPRIGHT
