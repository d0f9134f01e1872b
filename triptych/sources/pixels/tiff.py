"""TIFF: its first picture under a directory without metadata.

Comes in: a file's bytes. Goes out: a BareFile with the same pixels, and behind them a new directory of the
tags that the pixels need, with offsets of 32 bits, which every reader takes. Not its job: unpacking, which
libtiff and Pillow do.
"""

from __future__ import annotations

import struct
import zlib

from triptych.errors import UnreadableImageError
from triptych.sources.pixels import jpeg, orientation
from triptych.sources.pixels.bare_file import BareFile
from triptych.sources.pixels.tiff_directory import FORMS, WIDE, Directory

SUBFILE_TYPE, SUB_DIRECTORIES, XMP, DNG_VERSION = 254, 330, 700, 50706
WIDTH, HEIGHT, COMPRESSION, JPEG_TABLES = 256, 257, 259, 347
BITS, PHOTOMETRIC, SAMPLES = 258, 262, 277
STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
FILL_ORDER, BACKWARDS = 266, 2
JPEG, DEFLATE = 7, (8, 32946)
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
MAX_PIECE_BYTES = 1 << 20
NEEDED = frozenset(
    {WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, SAMPLES, 278}
    | {STRIP_COUNTS, 284, 292, 293, 317, 320, 322, 323, TILE_OFFSETS, TILE_COUNTS, 332, 338, 339, JPEG_TABLES}
    | {*range(512, 522), *range(529, 533)}
)  # fmt: skip
"""How the pixels are packed and where they lie, from their bits (258) to the range of their levels (532)."""


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
    bits = directory.first_integer(BITS) or 1
    inverted = bits == 16 and directory.first_integer(PHOTOMETRIC) == WHITE_IS_ZERO
    at = len(content) + len(content) % 2
    head = content[:2] + struct.pack(f"{directory.order}HL", 42, at)
    bare = b"".join((head, content[8:], bytes(at - len(content)), _packed(directory, at, inverted)))
    xmp = directory.packed(XMP) if XMP in entries else b""
    turn = orientation.valid(directory.first_integer(orientation.TAG), xmp)
    white = 2**bits - 1 if 8 < bits < 16 else None
    return BareFile(bare, turn, _damage(content, directory), white, inverted)


def _damage(content: bytes, directory: Directory) -> str | None:
    """What libtiff passes over in packed strips and tiles: Deflate's checksums, libjpeg's warnings."""
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
        if not packed:
            raise UnreadableImageError(f"truncated: TIFF: the values of its tag {tag} lie behind its end")
        if kind in WIDE:  # what fits into memory fits into 32 bits
            kind, packed = 4, struct.pack(f"{old.order}{values}L", *old.numbers(tag))
        directory += struct.pack(f"{old.order}HHL", tag, kind, values)
        if len(packed) <= 4:
            directory += packed.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{old.order}L", start + len(behind))
            behind += packed + bytes(len(packed) % 2)
    return directory + bytes(4) + behind
