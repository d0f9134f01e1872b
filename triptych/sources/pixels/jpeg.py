"""JPEG: removes metadata, and decodes without hiding damage.

Comes in: a file's bytes. Goes out: a BareFile, and its decoded picture. Pillow ignores libjpeg's warnings, so
that missing or damaged parts are grey. simplejpeg gives the same pixels, and raises on warnings.
"""

from __future__ import annotations

import io
import re
import zlib
from functools import partial

import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from triptych.errors import UnreadableImageError
from triptych.sources.pixels.bare_file import BareFile, from_metadata

END, SCAN, HUFFMAN_TABLES, QUANTIZATION_TABLES = 0xD9, 0xDA, 0xC4, 0xDB
ADOBE, EXIF_OR_XMP, JFIF = 0xEE, 0xE1, 0xE0
ADOBE_BYTES = 16
"""Of a complete segment; Pillow refuses a shorter one."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers, which have the picture's size and components."""
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
JPEG_LS = 0xF7
WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
PLAIN_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
MAX_METADATA_BYTES = 1 << 20
"""Of EXIF and of XMP, joined from segments. The orientation is near the beginning."""

_SCAN_END = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""The next marker after a scan's data, in which 0xFF is followed by 0 or begins a restart marker."""

_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")
"""Prefixes of libjpeg's warnings of damage."""
_HARMLESS = "Invalid SOS parameters"
"""Its warning of a sloppy encoder, which doesn't affect the pixels."""

ZEROS = bytes(32)
"""More than a block's worth. The scans of 1,508 photographs have at most 4 zero bytes in a row."""

_MARKER = re.compile(rb"\xff+[\x01-\xfe]")
_MORE_SCAN_DATA = b"\x5a" * 64
"""Inserted before markers: libjpeg skips it if a scan is complete, and decodes it if data is missing."""


def bare_file(content: bytes) -> BareFile:
    """Only the segments that the pixels need."""
    kept = [b"\xff\xd8"]
    exif = xmp = frame = b""
    without_steps = None
    at = 2
    while True:
        marker, at, segment = _segment(content, at)
        if marker == SCAN:
            start = at - len(segment)
            kept.append(content[start:])
            try:
                damage = without_steps or _missing_scan(content, start, frame) or _zeros_as_codes(content)
            except (IndexError, KeyError, ValueError):
                damage = "a scan's header makes no sense"
            return BareFile(b"".join(kept), from_metadata(exif, xmp), damage)
        if marker == JPEG_LS:
            raise UnreadableImageError("unsupported format: JPEG-LS")
        if marker in FRAMES:
            frame = segment
        if marker == QUANTIZATION_TABLES and bytes(8) in segment[4:]:  # each step is 1 or more
            without_steps = "zeros are in the place of quantization steps"
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
    """Marker, end, and bytes of the next segment from ``at`` on."""
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
    """Which of the scans that ``frame`` needs are missing from ``at`` on: one for each component, and of a
    progressive picture for each coefficient to its last bit. libjpeg doesn't warn of that."""
    is_progressive = bool(frame) and frame[1] in PROGRESSIVE
    components = frame[10::3]
    if not is_progressive and content[at + 4 : at + 5] == frame[9:10]:
        return None
    missing = {component: [True] * (64 if is_progressive else 1) for component in components}
    while True:
        marker, end, segment = _segment(content, at)
        if marker == SCAN:
            count = segment[4]
            first, last, bits = segment[5 + 2 * count : 8 + 2 * count]
            coefficients = range(first, last + 1) if is_progressive else range(1)
            for component in segment[5 : 5 + 2 * count : 2]:
                for coefficient in coefficients:
                    missing[component][coefficient] = bool(is_progressive and bits & 0x0F)
        found = _SCAN_END.search(content, end)
        if found is None:
            return None  # truncated: libjpeg warns
        if found[1] == bytes([END]):
            break
        at = found.start(1) - 1
    incomplete = sum(any(each) for each in missing.values())
    return f"scans are missing for {incomplete} of {len(components)} components" if incomplete else None


def _zeros_as_codes(content: bytes) -> str | None:
    """Whether a part of a scan was overwritten with zeros, which often decode without a warning. Plain areas
    may be encoded as zeros, but only if such a code stands for no coefficient: then nothing is said."""
    if ZEROS not in content:
        return None
    first_symbols: dict[int, int] = {}  # those with an all-zero code, by AC table
    at = 2
    while True:
        marker, end, segment = _segment(content, at)
        if marker == HUFFMAN_TABLES:
            start = 4
            while start + 17 < len(segment):
                is_ac, table = divmod(segment[start], 16)
                if is_ac:
                    first_symbols[table] = segment[start + 17]
                start += 17 + sum(segment[start + 1 : start + 17])
        if marker != SCAN:
            at = end
            continue
        parameters = 5 + 2 * segment[4]
        _, last, bits = segment[parameters : parameters + 3]
        found = _SCAN_END.search(content, end)
        has_levels = any(first_symbols.get(tables % 16, 0) % 16 for tables in segment[6:parameters:2])
        is_refinement = last == 0 or bits >> 4
        if has_levels and not is_refinement and content.find(ZEROS, end, found and found.start()) >= 0:
            return "zeros are in the place of codes"
        if found is None or found[1] == bytes([END]):
            return None
        at = found.start(1) - 1


def decoded(file: BareFile, image: Image.Image) -> Image.Image:
    """The picture at the size of ``image``, which Pillow has opened from the same bytes.

    Raises ValueError with libjpeg's message if the data is damaged.
    """
    mode = "GRAY" if image.mode == "L" else image.mode
    decode = partial(
        simplejpeg.decode_jpeg, file.content, mode, min_height=image.height, min_width=image.width
    )
    try:
        pixels = decode()
    except ValueError as error:
        if str(error).startswith(_DAMAGE):
            raise
        if not str(error).startswith(_HARMLESS):  # not supported by simplejpeg, such as odd subsampling
            image.load()
            if _is_scan_cut(file.content):
                raise ValueError("Premature end of JPEG data") from None
            return image
        pixels = decode(strict=False)
    if image.mode == "CMYK":  # inverted, as Adobe's programs write it, and all others
        return Image.frombytes("CMYK", image.size, pixels.tobytes(), "raw", "CMYK;I")
    return Image.fromarray(pixels[:, :, 0] if image.mode == "L" else pixels)


def is_lossless(content: bytes) -> bool:
    """Whether it can only be decoded at full size: at another, libjpeg writes beyond its buffer."""
    marker, at = 0, 2
    while marker not in FRAMES:
        marker, at, _ = _segment(content, at)
    return marker in LOSSLESS


def _is_scan_cut(content: bytes) -> bool:
    """Whether data is missing at the end of a scan or restart interval, which Pillow ignores."""
    at, marker = 2, 0
    while marker != SCAN:
        marker, at, _ = _segment(content, at)
    longer = content[:at] + _MARKER.sub(_MORE_SCAN_DATA + rb"\g<0>", content[at:])
    return _checksum(content) != _checksum(longer)


def _checksum(content: bytes) -> int:
    """Of the pixels as decoded by Pillow at full size."""
    with JpegImageFile(io.BytesIO(content)) as image:
        return zlib.crc32(image.tobytes())


def warning(content: bytes) -> str | None:
    """libjpeg's warning of damage in JPEG data, if any. It decodes at 1/8 scale if possible."""
    side_px = 0 if is_lossless(content) else 1
    try:
        simplejpeg.decode_jpeg(content, "GRAY", min_height=side_px, min_width=side_px)
    except ValueError as error:
        return str(error) if str(error).startswith(_DAMAGE) else None
    return None
