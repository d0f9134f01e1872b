"""A JPEG with one scan for each component, as few programs write it, made from three grey JPEGs."""

from __future__ import annotations

import io
import struct

from PIL import Image


def one_scan_a_component(picture: Image.Image) -> bytes:
    """The picture without subsampling. Huffman and quantisation tables are those of Pillow's grey JPEGs."""
    grey = [_grey(band) for band in picture.convert("YCbCr").split()]
    frame_at = grey[0].index(b"\xff\xc0")
    tables_at, scan_at = frame_at + 2 + 11, grey[0].index(b"\xff\xda")
    size = grey[0][frame_at + 5 : frame_at + 9]
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = b"\xff\xc0" + struct.pack(">HB", 17, 8) + size + b"\3" + components
    scans = b"".join(
        b"\xff\xda\0\x08\1" + bytes([number, 0, 0, 63, 0]) + each[scan_at + 10 : -2]
        for number, each in zip((1, 2, 3), grey, strict=True)
    )
    return grey[0][:frame_at] + frame + grey[0][tables_at:scan_at] + scans + b"\xff\xd9"


def _grey(band: Image.Image) -> bytes:
    buffer = io.BytesIO()
    band.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
