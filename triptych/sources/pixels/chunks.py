"""PNG, WebP, AVIF, HEIC, JPEG XL and JPEG 2000 without metadata that could break decoding.

Comes in: a file's bytes. Goes out: a BareFile of the chunks that the pixels need, and the damage that they
show. Not its job: decoding.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from triptych.errors import UnreadableImageError
from triptych.sources.pixels.bare_file import BareFile, from_metadata
from triptych.sources.pixels.heif_items import coded_extents

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
MAX_METADATA_BYTES = 1 << 20
"""Of a text that is decompressed to find an orientation."""

FILLED = bytes(16)
"""How pixel data ends if a program had allocated the file, and the rest never arrived. That of a complete
AVIF or HEIC doesn't end in zeros."""
FILLED_WEBP = bytes(8)
"""The same of a WebP. A complete one of plain areas may end in 64,000 zeros, but can't be decoded without the
last 4 of them, while one that was filled up mostly can."""

FILLED_UP = "its pixels are truncated, and filled up with zeros"

_EXIF_AS_TEXT = re.compile(rb"Raw profile type (?:exif|APP1)\0")
_XMP_TEXT = b"XML:com.adobe.xmp\0"

WEBP_BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
WEBP_PIXELS = WEBP_BITSTREAMS | {b"ANMF"}
"""Chunks of pixels. Nothing after the first of them is needed."""
WEBP_BEFORE_PIXELS = frozenset({b"VP8X", b"ANIM", b"ALPH"})

CODESTREAM, TILE_PART = b"\xff\x4f\xff\x51", b"\xff\x90"

_JPEG_2000_SIZES = struct.Struct(">8L")
"""Right, bottom, left and top of the picture, and width, height, left and top of its tiles."""
_TILE_PART = struct.Struct(">4xHL2x")
"""Header of a tile part: the tile's number, and the length."""


def bare_png(content: bytes) -> BareFile:
    """Only the chunks that the pixels need. Metadata may come after the pixels."""
    kept = [PNG_SIGNATURE]
    exif = xmp = header = b""
    damaged: set[bytes] = set()
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(content) and kept[-1][4:8] != b"IEND":
        length, name = struct.unpack_from(">L4s", content, at)
        chunk = content[at : at + 12 + length]
        body = chunk[8:-4]
        at += 12 + length
        if name == b"IHDR":
            header = body
        if name in PNG_NEEDED:
            kept.append(_scaled_transparency(body, header) if name == b"tRNS" else chunk)
            has_checksum = name != b"IEND" and at <= len(content)
            if has_checksum and zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
                damaged.add(name)
        elif name == b"eXIf":
            exif = body
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            exif = exif or _exif_in_text(name, body)
            xmp = xmp or (_text(name, body) if body.startswith(_XMP_TEXT) else b"")
    damage = f"the checksum of its {b', '.join(sorted(damaged)).decode()} is wrong" if damaged else None
    if not any(chunk[4:8] == b"IDAT" for chunk in kept):
        damage = "it is truncated before its pixels"
    return BareFile(b"".join(kept), from_metadata(exif, xmp), damage)


def _scaled_transparency(transparent: bytes, header: bytes) -> bytes:
    """The tRNS chunk with its transparent colour at 8 bits, if Pillow scales the pixels to 8 bits: it does so
    with grey of fewer bits and with colours of 16 bits, but leaves this colour as it is."""
    depth, kind = (header[8], header[9]) if len(header) > 9 else (8, 3)
    if kind == 0 and depth < 8 and len(transparent) == 2:
        transparent = struct.pack(">H", struct.unpack(">H", transparent)[0] * 255 // (2**depth - 1))
    elif kind == 2 and depth == 16 and len(transparent) == 6:
        transparent = struct.pack(">3H", *(level >> 8 for level in struct.unpack(">3H", transparent)))
    body = b"tRNS" + transparent
    return struct.pack(">L", len(transparent)) + body + struct.pack(">L", zlib.crc32(body))


def _exif_in_text(name: bytes, body: bytes) -> bytes:
    """EXIF as ImageMagick writes it: hexadecimal digits after a line with the length."""
    if not _EXIF_AS_TEXT.match(body):
        return b""
    digits = b"".join(_text(name, body).strip().split(b"\n")[2:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _text(name: bytes, body: bytes) -> bytes:
    """A text chunk's text, after its keyword; empty if it can't be decompressed."""
    _, _, text = body.partition(b"\0")
    if name == b"tEXt":
        return text
    is_compressed = name == b"zTXt" or text[:1] == b"\1"
    text = text[1:] if name == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, MAX_METADATA_BYTES) if is_compressed else text
    except zlib.error:
        return b""


def bare_webp(content: bytes) -> BareFile:
    """Only the chunks that the pixels need; of an animation, those of the first frame."""
    kept: list[bytes] = []
    exif = xmp = b""
    is_complete = False
    for name, at, end in _webp_chunks(content, 12):
        if (name in WEBP_PIXELS or name in WEBP_BEFORE_PIXELS) and not is_complete:
            kept.append(content[at:end] + bytes((end - at) % 2))
            is_complete = name in WEBP_PIXELS and end <= len(content)
        elif name == b"EXIF":
            exif = content[at + 8 : end]
        elif name == b"XMP ":
            xmp = content[at + 8 : end]
    orientation = from_metadata(exif, xmp)
    if not is_complete:
        return BareFile(_webp(kept), orientation, "its pixels are truncated")
    shorter = _without_zeros(kept[-1])
    without_zeros = _webp([*kept[:-1], shorter]) if shorter else None
    return BareFile(_webp(kept), orientation, without_zeros=without_zeros)


def _webp(chunks: list[bytes]) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def _webp_chunks(content: bytes, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start, and declared end of each chunk from ``at`` on."""
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sL", content, at)
        yield name, at, at + 8 + length
        at += 8 + length + length % 2


def _without_zeros(pixels: bytes) -> bytes | None:
    """The chunk without FILLED_WEBP at the end of its bitstream; None if it doesn't end so."""
    is_frame = pixels.startswith(b"ANMF")
    for name, at, end in _webp_chunks(pixels, 24 if is_frame else 0):
        if name in WEBP_BITSTREAMS and pixels.endswith(FILLED_WEBP, at + 8, end):
            length = end - at - 8 - len(FILLED_WEBP)
            bitstream = pixels[at + 8 : at + 8 + length] + bytes(length % 2)
            chunk = name + struct.pack("<L", length) + bitstream
            frame = pixels[8:at] + chunk
            return b"ANMF" + struct.pack("<L", len(frame)) + frame if is_frame else chunk
    return None


def bare_avif(content: bytes) -> BareFile:
    """The file with its EXIF item renamed, as libavif fails on an invalid one. Its length stays, as other
    items are found by their offset. The orientation is not in EXIF."""
    name_at = content.find(b"iinf")
    end = name_at - 4 + int.from_bytes(content[name_at - 4 : name_at])
    items = content[name_at:end].replace(b"\0Exif", b"\0none") if name_at >= 4 else b""
    return bare_heic(content[:name_at] + items + content[end:] if items else content)


def bare_heic(content: bytes) -> BareFile:
    """The unchanged file, checked for missing pixels."""
    is_filled = any(content.endswith(FILLED, start, end) for start, end in coded_extents(content))
    return BareFile(content, damage=FILLED_UP if is_filled else None)


def bare_jxl(content: bytes) -> BareFile:
    """The unchanged file with its size, which its decoder only reports after decoding."""
    at = content.find(b"jxlc") + 4
    if at < 4:
        at = content.find(b"jxlp") + 8  # a partial codestream, after its number
    at = 0 if content.startswith(b"\xff\x0a") else at
    return BareFile(content, size=_jxl_size(int.from_bytes(content[at + 2 : at + 14], "little")))


def _jxl_size(bits: int) -> tuple[int, int]:
    """Width and height by ISO/IEC 18181-1, annex D.2: the width may be a ratio of the height."""

    def take(count: int) -> int:
        nonlocal bits
        taken, bits = bits & ((1 << count) - 1), bits >> count
        return taken

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    wide, high = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return height * wide // high or side(), height


def bare_jpeg_2000(content: bytes) -> BareFile:
    """The unchanged file, checked for missing tiles, which its decoder leaves black.

    Raises UnreadableImageError for colours of more than 8 bits: Pillow rounds white to 256, which becomes 0.
    """
    try:
        at = content.index(CODESTREAM)
        components, bits = struct.unpack_from(">HB", content, at + 40)
        if components > 1 and bits % 128 >= 8:  # one less than the precision; the top bit is for signed ones
            found = f"colours of {bits % 128 + 1} bits, whose white the decoder makes black"
            raise UnreadableImageError(f"unsupported format: JPEG 2000: {found}; convert it to PNG")
        missing = _missing_tiles(content, at)
    except (ValueError, struct.error, ZeroDivisionError):  # the decoder reports damage
        return BareFile(content)
    return BareFile(content, damage=f"it is truncated before {missing} of its tiles" if missing else None)


def _missing_tiles(content: bytes, at: int) -> int:
    """How many tiles are missing from the codestream at ``at``."""
    right, bottom, _, _, width, height, left, top = _JPEG_2000_SIZES.unpack_from(content, at + 8)
    needed = -(-(right - left) // width) * -(-(bottom - top) // height)
    at += len(TILE_PART)
    while not content.startswith(TILE_PART, at):
        (length,) = struct.unpack_from(">H", content, at + 2)
        at += 2 + length
    found: set[int] = set()
    while content.startswith(TILE_PART, at) and at + _TILE_PART.size <= len(content):
        tile, length = _TILE_PART.unpack_from(content, at)
        found.add(tile)
        at = at + length if length else len(content)  # 0: the last one, up to the end
    is_cut = content.startswith(TILE_PART, at)  # in its header
    return max(int(needed) - len(found), int(is_cut))
