"""JPEG: its segments without metadata, and a decoder that reports damage.

Comes in: a file's bytes. Goes out: a BareFile, and the picture that libjpeg-turbo makes of it without a
warning. Pillow's decoder passes over libjpeg's warnings: what is missing or garbled becomes grey, and nobody
learns of it. simplejpeg decodes with the same library, to the same pixels, and raises.
"""

from __future__ import annotations

import io
import re
import zlib

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from triptych.errors import UnreadableImageError
from triptych.sources.pixels.bare_file import BareFile, from_metadata

END, SCAN = 0xD9, 0xDA
ADOBE, EXIF_OR_XMP, JFIF = 0xEE, 0xE1, 0xE0
ADOBE_BYTES = 16
"""Of a whole segment; Pillow refuses a shorter one."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame, which has the picture's size and components."""
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
PLAIN_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
MAX_METADATA_BYTES = 1 << 20
"""Of EXIF and of XMP, in segments of at most 64 KiB. The orientation stands near the beginning."""

_SCAN_END = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""The next marker behind a scan's data, in which 0xFF is followed by 0 or is a mark to restart at."""

_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
"""How libjpeg's warnings of damage begin."""
_HARMLESS = "Invalid SOS parameters"
"""Its warning of a careless writer: the data is what it would be anyway."""

_MARK = re.compile(rb"\xff+[\x01-\xfe]")
_MORE_SCAN = b"\x5a" * 64
"""In front of a mark: libjpeg passes it over where it needs no more data, and decodes it where it does."""


def bare_file(content: bytes) -> BareFile:
    """Only what the pixels need, from the tables on."""
    kept = [b"\xff\xd8"]
    exif = xmp = frame = b""
    at = 2
    while True:
        marker, at, segment = _segment(content, at)
        if marker == SCAN:
            start = at - len(segment)
            kept.append(content[start:])
            try:
                damage = _missing_scan(content, start, frame)
            except (IndexError, KeyError, ValueError):
                damage = "a scan's header makes no sense"
            return BareFile(b"".join(kept), from_metadata(exif, xmp), damage)
        if marker in FRAMES:
            frame = segment
        if marker == JFIF and segment[4:9] == b"JFIF\0":
            kept.append(PLAIN_JFIF)
        elif marker == ADOBE and segment[4:9] == b"Adobe" and len(segment) >= ADOBE_BYTES:
            kept.append(segment)
        elif marker == EXIF_OR_XMP and segment[4:10] == b"Exif\0\0" and len(exif) < MAX_METADATA_BYTES:
            exif += segment[10 if exif else 4 :]
        elif marker == EXIF_OR_XMP and segment[4:8] == b"http" and len(xmp) < MAX_METADATA_BYTES:
            xmp += segment
        elif marker < JFIF:
            kept.append(segment)


def _segment(content: bytes, at: int) -> tuple[int, int, bytes]:
    """The next segment from ``at`` on: its marker, where it ends, and its bytes from the marker on."""
    while True:
        at = content.find(b"\xff", at)
        if not 0 <= at < len(content) - 3:
            raise UnreadableImageError("truncated: JPEG: it ends before its pixels")
        marker = content[at + 1]
        if marker == END:
            raise UnreadableImageError("damaged: JPEG: it has no pixels")
        if marker == 0xFF:
            at += 1
        elif marker in WITHOUT_LENGTH:
            at += 2
        else:
            end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
            return marker, end, content[at:end]


def _missing_scan(content: bytes, at: int, frame: bytes) -> str | None:
    """Why the scans from ``at`` on are not all that ``frame`` needs: each component, and of a progressive
    picture each coefficient to its last bit. The scans that are there decode without a warning."""
    progressive = frame != b"" and frame[1] in PROGRESSIVE
    components = frame[10::3]
    if not progressive and content[at + 4 : at + 5] == frame[9:10]:
        return None
    missing = {component: [True] * (64 if progressive else 1) for component in components}
    while True:
        marker, end, segment = _segment(content, at)
        if marker == SCAN:
            count = segment[4]
            first, last, bits = segment[5 + 2 * count : 8 + 2 * count]
            coefficients = range(first, last + 1) if progressive else range(1)
            for component in segment[5 : 5 + 2 * count : 2]:
                for coefficient in coefficients:
                    missing[component][coefficient] = bool(progressive and bits & 0x0F)
        found = _SCAN_END.search(content, end)
        if found is None:
            return None  # cut short: libjpeg says so
        if found[1] == bytes([END]):
            break
        at = found.start(1) - 1
    lacking = sum(any(each) for each in missing.values())
    return f"scans are missing for {lacking} of {len(components)} components" if lacking else None


def decoded(file: BareFile, image: Image.Image) -> Image.Image:
    """The picture at the size that ``image``, which is Pillow's of the same bytes, is set to.

    Raises ValueError, with libjpeg's words, where the data is damaged.
    """
    try:
        pixels = _decode(file.content, image, strict=True)
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise
        if not str(error).startswith(_HARMLESS):  # a kind that simplejpeg doesn't know, such as odd sampling
            image.load()
            if _is_scan_cut(file.content):
                raise ValueError("Premature end of JPEG data") from None
            return image
        pixels = _decode(file.content, image, strict=False)
    if image.mode == "CMYK":  # with 255 for no ink, as Adobe's programs began and all others took up
        return Image.frombytes("CMYK", image.size, pixels.tobytes(), "raw", "CMYK;I")
    return Image.fromarray(pixels[:, :, 0] if image.mode == "L" else pixels)


def _is_scan_cut(content: bytes) -> bool:
    """Whether the picture goes on where a scan, or a part of one, ends. libjpeg fills that up, and Pillow has
    no word for it."""
    at, marker = 2, 0
    while marker != SCAN:
        marker, at, _ = _segment(content, at)
    longer = content[:at] + _MARK.sub(_MORE_SCAN + rb"\g<0>", content[at:])
    return _checksum(content) != _checksum(longer)


def _checksum(content: bytes) -> int:
    """Of the pixels that Pillow makes of it, at full size."""
    with JpegImageFile(io.BytesIO(content)) as image:
        return zlib.crc32(image.tobytes())


def warning(content: bytes) -> str | None:
    """What libjpeg says is damaged in JPEG data, which it decodes at an eighth."""
    try:
        simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1)
    except ValueError as error:
        return str(error) if str(error).startswith(_DAMAGE) else None
    return None


def _decode(content: bytes, image: Image.Image, *, strict: bool) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        content,
        "GRAY" if image.mode == "L" else image.mode,
        min_height=image.height,
        min_width=image.width,
        strict=strict,
    )
    return pixels
