"""TIFF: its first picture under a directory without metadata.

Comes in: a file's bytes. Goes out: a BareFile with the same pixels, and behind them a new directory of the
tags that the pixels need, with offsets of 32 bits, which every reader takes. Not its job: unpacking, which
libtiff and Pillow do.
"""

from __future__ import annotations

import struct
import zlib

from PIL.TiffImagePlugin import MAX_SAMPLESPERPIXEL

from triptych.errors import UnreadableImageError
from triptych.sources.pixels import jpeg
from triptych.sources.pixels.bare_file import ORIENTATION, BareFile, valid_orientation
from triptych.sources.pixels.tiff_directory import FORMS, WIDE, Directory

SUBFILE_TYPE, SUB_DIRECTORIES, XMP, DNG_VERSION = 254, 330, 700, 50706
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL_ORDER, SAMPLES, PLANES = 266, 277, 284
STRIP_OFFSETS, STRIP_HEIGHT, STRIP_COUNTS, PREDICTOR = 273, 278, 279, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, JPEG_TABLES = 322, 323, 324, 325, 347
WHITE_IS_ZERO, BLACK_IS_ZERO, BACKWARDS, JPEG, DEFLATE, PLANE_BY_PLANE = 0, 1, 2, 7, (8, 32946), 2

ONE_VALUE = frozenset({WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SAMPLES, PLANES})
ONE_VALUE |= {STRIP_HEIGHT, PREDICTOR, TILE_WIDTH, TILE_HEIGHT}
NEEDED = ONE_VALUE | {BITS, STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS, JPEG_TABLES}
NEEDED |= {292, 293, 320, 332, 338, 339, *range(512, 522), *range(529, 533)}
"""How the pixels are packed and where they lie, down to options of facsimile (292)."""

MAX_PIECE_BYTES = 1 << 20


def bare_file(content: bytes) -> BareFile:
    """The same pixels under a new directory."""
    try:
        directory = Directory(content)
    except struct.error:
        raise UnreadableImageError("truncated: TIFF: its directory lies behind its end") from None
    entries = directory.entries
    reduced = (directory.first_integer(SUBFILE_TYPE) or 0) & 1
    if DNG_VERSION in entries or (reduced and SUB_DIRECTORIES in entries):
        raise UnreadableImageError("unsupported format: camera raw")
    if not {WIDTH, HEIGHT} <= entries.keys() or not {STRIP_OFFSETS, TILE_OFFSETS} & entries.keys():
        raise UnreadableImageError("damaged: TIFF: its directory doesn't say where the picture is")
    samples = directory.first_integer(SAMPLES) or 1
    if samples > MAX_SAMPLESPERPIXEL:
        raise UnreadableImageError(f"unsupported format: TIFF: {samples} samples a pixel")
    bits = directory.first_integer(BITS) or 1
    inverted = bits == 16 and directory.first_integer(PHOTOMETRIC) == WHITE_IS_ZERO
    at = len(content) + len(content) % 2
    head = content[:2] + struct.pack(f"{directory.order}HL", 42, at)
    bare = b"".join((head, content[8:], bytes(at - len(content)), _packed(directory, at, inverted)))
    xmp = directory.packed(XMP) if XMP in entries else b""
    turn = valid_orientation(directory.first_integer(ORIENTATION), xmp)
    white = 2**bits - 1 if 8 < bits < 16 else None
    return BareFile(bare, turn, _damage(content, directory), white, inverted)


def _damage(content: bytes, directory: Directory) -> str | None:
    """What libtiff passes over in packed strips and tiles: Deflate's checksums, libjpeg's warnings."""
    missing = _missing_parts(directory)
    if missing:
        return f"it is truncated by {missing} strips or tiles"
    compression = directory.first_integer(COMPRESSION)
    tags = directory.entries.keys()
    if directory.first_integer(FILL_ORDER) == BACKWARDS:
        return None
    tables = directory.packed(JPEG_TABLES)[:-2] if JPEG_TABLES in tags else b""
    for offsets, counts in ((STRIP_OFFSETS, STRIP_COUNTS), (TILE_OFFSETS, TILE_COUNTS)):
        if not {offsets, counts} <= tags or compression not in (JPEG, *DEFLATE):
            continue
        for at, length in zip(directory.numbers(offsets), directory.numbers(counts), strict=False):
            part = content[at : at + length]
            if compression == JPEG:
                damage = jpeg.warning(tables + part[2:] if tables else part)
            else:
                damage = _zlib_damage(part)
            if damage is not None:
                return damage
    return None


def _missing_parts(directory: Directory) -> int:
    """How many strips or tiles lack, whose place Pillow would leave black."""
    width, height, samples, planes, strip_height, tile_width, tile_height = (
        directory.first_integer(tag) or 0
        for tag in (WIDTH, HEIGHT, SAMPLES, PLANES, STRIP_HEIGHT, TILE_WIDTH, TILE_HEIGHT)
    )
    if TILE_OFFSETS in directory.entries and tile_width > 0 and tile_height > 0:
        offsets, parts = TILE_OFFSETS, -(-width // tile_width) * -(-height // tile_height)
    else:
        offsets, parts = STRIP_OFFSETS, -(-height // strip_height) if strip_height > 0 else 1
    needed = parts * (samples if planes == PLANE_BY_PLANE else 1)
    there = directory.entries[offsets].values if offsets in directory.entries else 0
    return max(0, needed - there)


def _zlib_damage(packed: bytes) -> str | None:
    """Unpacks it a piece at a time."""
    unpacking = zlib.decompressobj()
    try:
        while packed and not unpacking.eof:
            unpacking.decompress(packed, MAX_PIECE_BYTES)
            packed = unpacking.unconsumed_tail
    except zlib.error as error:
        return str(error)
    return None if unpacking.eof else "a part of it is truncated"


def _packed(old: Directory, at: int, inverted: bool) -> bytes:
    """A directory that stands at ``at``, with the values behind it; of an ``inverted`` picture, which Pillow
    doesn't know for 16 bits, one of a plain picture."""
    tags = sorted(tag for tag in old.entries.keys() & NEEDED if old.entries[tag].kind in FORMS)
    start = at + 2 + 12 * len(tags) + 4
    directory, behind = struct.pack(f"{old.order}H", len(tags)), b""
    for tag in tags:
        kind, values, _ = old.entries[tag]
        packed = old.packed(tag)
        if inverted and tag == PHOTOMETRIC:
            kind, values, packed = 3, 1, struct.pack(f"{old.order}H", BLACK_IS_ZERO)
        elif tag in ONE_VALUE:
            values, packed = 1, packed[: struct.calcsize(f"={FORMS[kind]}")]
        if not packed:
            raise UnreadableImageError(f"truncated: TIFF: the values of its tag {tag} lie behind its end")
        if kind in WIDE:  # what fits into memory fits into 32 bits
            kind, packed = 4, struct.pack(f"{old.order}{values}L", *old.numbers(tag)[:values])
        directory += struct.pack(f"{old.order}HHL", tag, kind, values)
        if len(packed) <= 4:
            directory += packed.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{old.order}L", start + len(behind))
            behind += packed + bytes(len(packed) % 2)
    return directory + bytes(4) + behind
