"""Which way up a picture was stored, as its metadata says.

Comes in: EXIF or XMP, from a camera or from anybody. Goes out: an orientation from 1 to 8, as EXIF counts
them, and a picture turned upright. Whatever can't be read is 1, upright. Not its job: where a format keeps
its metadata.
"""

from __future__ import annotations

import re
import struct

from PIL import Image

from triptych.sources.pixels.tiff_directory import Directory

UPRIGHT = 1

TAG = 0x0112
"""In EXIF and TIFF."""

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


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture of one that is stored in ``size``."""
    return (size[1], size[0]) if orientation >= 5 else size


def turned_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """``picture`` as it is to be seen."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def from_metadata(exif: bytes, xmp: bytes = b"") -> int:
    """What EXIF says; where it says nothing, what XMP does."""
    exif = exif.removeprefix(b"Exif\0\0")
    try:
        found = Directory(exif).first_integer(TAG) if exif[:2] in (b"II", b"MM") else None
    except struct.error:
        found = None
    return valid(found, xmp)


def valid(found: int | None, xmp: bytes) -> int:
    """``found``, what XMP says where that is None, or 1."""
    if found is None and (match := _XMP.search(xmp)):
        return int(match[1])
    return found if found in _TURNS else UPRIGHT
