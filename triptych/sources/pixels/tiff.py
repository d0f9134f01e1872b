"""TIFF: replaces the directory of the first picture by one without metadata, and detects damage.

Comes in: a file's bytes. Goes out: a BareFile with the same pixels, followed by a new directory of the tags
that the pixels need, with 32-bit offsets. Not its job: decoding.
"""

from __future__ import annotations

import re
import struct
import zlib
from itertools import zip_longest
from typing import NamedTuple

from PIL.TiffImagePlugin import COMPRESSION_INFO, MAX_SAMPLESPERPIXEL

from triptych.errors import UnreadableImageError
from triptych.sources.pixels import jpeg
from triptych.sources.pixels.bare_file import ORIENTATION, BareFile, valid_orientation
from triptych.sources.pixels.tiff_directory import FORMATS, WIDE, Directory

SUBFILE_TYPE, SUB_DIRECTORIES, XMP, DNG_VERSION = 254, 330, 700, 50706
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL_ORDER, SAMPLES, PLANES = 266, 277, 284
STRIP_OFFSETS, STRIP_HEIGHT, STRIP_COUNTS, PREDICTOR = 273, 278, 279, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, JPEG_TABLES = 322, 323, 324, 325, 347
WHITE_IS_ZERO, BLACK_IS_ZERO, BACKWARDS, PLANE_BY_PLANE = 0, 1, 2, 2
UNPACKED, OLD_JPEG, JPEG, DEFLATE = 1, 6, 7, (8, 32946)
"""Compressions. Lengths of OLD_JPEG are often wrong, and libtiff doesn't rely on them."""
FAX_BY_BYTE, FAX_GROUP_3, FAX_GROUP_4, FAX_BY_WORD = 2, 3, 4, 32771

ONE_VALUE = frozenset({WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SAMPLES, PLANES})
ONE_VALUE |= {STRIP_HEIGHT, PREDICTOR, TILE_WIDTH, TILE_HEIGHT}
NEEDED = ONE_VALUE | {BITS, STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS, JPEG_TABLES}
WITH_DEFAULTS = frozenset({FILL_ORDER, PLANES, PREDICTOR, 292, 293, 332, 338, 339, *range(529, 533)})
NEEDED |= WITH_DEFAULTS | {320, *range(512, 522)}
"""Tags of how and where pixels are stored, including options of fax. Those with defaults may be empty."""

MAX_BLOCK_BYTES = 1 << 20

FAX_ZEROS = {FAX_BY_BYTE: 1, FAX_GROUP_3: 255, FAX_GROUP_4: 1, FAX_BY_WORD: 2}
"""The longest run of zero bytes in fax data, by compression: a code begins with up to 7 zero bits and ends in
up to 3, an end mark has 11, and rows may be padded to one or two bytes. Rows of group 3 may be padded to 40
ms, which at 33,600 bits/s is 168 bytes."""
MAX_FAX_PADDING_BYTES = 4
"""After the data of a strip without an end mark."""

MAX_FAX_END_BYTES = 16
_FAX_END = re.compile("0{11}1+0{11,}1+$")
"""The end mark, in bits; anything after it is padding."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def bare_file(content: bytes) -> BareFile:
    """The same pixels under a new directory."""
    try:
        directory = Directory(content)
    except struct.error:
        raise UnreadableImageError("truncated: TIFF: its directory lies behind its end") from None
    if directory.is_truncated:
        raise UnreadableImageError("truncated: TIFF: its directory reaches behind its end")
    entries = directory.entries
    reduced = (directory.first_integer(SUBFILE_TYPE) or 0) & 1
    if DNG_VERSION in entries or (reduced and SUB_DIRECTORIES in entries):
        raise UnreadableImageError("unsupported format: camera raw")
    if not {WIDTH, HEIGHT} <= entries.keys() or not {STRIP_OFFSETS, TILE_OFFSETS} & entries.keys():
        raise UnreadableImageError("damaged: TIFF: its directory doesn't say where the picture is")
    samples = directory.first_integer(SAMPLES) or 1
    if samples > MAX_SAMPLESPERPIXEL:
        raise UnreadableImageError(f"unsupported format: TIFF: {samples} samples a pixel")
    compression = directory.first_integer(COMPRESSION) or UNPACKED
    if compression not in COMPRESSION_INFO:
        raise UnreadableImageError(f"unsupported format: TIFF: compression {compression}")
    bits = directory.first_integer(BITS) or 1
    inverted = bits > 8 and directory.first_integer(PHOTOMETRIC) == WHITE_IS_ZERO
    at = len(content) + len(content) % 2
    head = content[:2] + struct.pack(f"{directory.order}HL", 42, at)
    bare = b"".join((head, content[8:], bytes(at - len(content)), _packed(directory, at, inverted)))
    xmp = directory.packed(XMP) if XMP in entries else b""
    orientation = valid_orientation(directory.first_integer(ORIENTATION), xmp)
    white = 2**bits - 1 if 8 < bits < 16 else None
    return BareFile(bare, orientation, _damage(content, directory), white, inverted)


class _Parts(NamedTuple):
    """The strips or tiles that a picture needs."""

    offsets: int
    counts: int
    """Tags of their offsets and lengths."""
    in_plane: int
    """Parts of each plane."""
    planes: int
    row_bytes: int
    rows: int
    """Size of each, uncompressed."""
    all_rows: int
    """Sum of the rows of a plane's parts: the last strip may have fewer; all tiles have the same."""

    def unpacked_bytes(self, number: int) -> int:
        return self.row_bytes * min(self.rows, self.all_rows - number % self.in_plane * self.rows)


def _parts(directory: Directory) -> _Parts:
    width, height, bits, samples, planes, strip_height, tile_width, tile_height = (
        directory.first_integer(tag) or 0
        for tag in (WIDTH, HEIGHT, BITS, SAMPLES, PLANES, STRIP_HEIGHT, TILE_WIDTH, TILE_HEIGHT)
    )
    plane_count = max(1, samples) if planes == PLANE_BY_PLANE else 1
    pixel_bits = max(1, bits) * max(1, samples) // plane_count
    if TILE_OFFSETS in directory.entries and tile_width > 0 and tile_height > 0:
        tiles = -(-width // tile_width) * -(-height // tile_height)
        row_bytes = -(-tile_width * pixel_bits // 8)
        rows = tiles * tile_height
        return _Parts(TILE_OFFSETS, TILE_COUNTS, tiles, plane_count, row_bytes, tile_height, rows)
    rows = strip_height if 0 < strip_height < height else max(1, height)
    strips = max(1, -(-height // rows))
    row_bytes = -(-width * pixel_bits // 8)
    return _Parts(STRIP_OFFSETS, STRIP_COUNTS, strips, plane_count, row_bytes, rows, height)


def _damage(content: bytes, directory: Directory) -> str | None:
    """Damage that libtiff and Pillow don't report: incomplete parts, which would be read from the new
    directory; Deflate checksums; libjpeg's warnings; zeros in place of fax data."""
    parts = _parts(directory)
    needed = parts.in_plane * parts.planes
    offsets = directory.integers(parts.offsets)
    if len(offsets) < needed:
        return f"it is truncated by {needed - len(offsets)} strips or tiles"
    compression = directory.first_integer(COMPRESSION) or UNPACKED
    counts = directory.integers(parts.counts)[:needed]
    if compression == UNPACKED:  # Pillow ignores lengths; some writers' are too large
        sizes = map(parts.unpacked_bytes, range(needed))
        counts = tuple(min(count or size, size) for count, size in zip_longest(counts, sizes, fillvalue=0))
    extents = list(zip(offsets, counts, strict=False))
    if compression != OLD_JPEG and any(at + length > len(content) for at, length in extents):
        return "its pixels are truncated"
    is_backwards = directory.first_integer(FILL_ORDER) == BACKWARDS
    tables = directory.packed(JPEG_TABLES)[:-2] if JPEG_TABLES in directory.entries else b""
    for at, length in extents:
        part = content[at : at + length]
        damage = None
        if compression in FAX_ZEROS:
            data = part.translate(_MIRRORED) if is_backwards else part
            damage = _fax_damage(data, FAX_ZEROS[compression])
        elif is_backwards:
            continue
        elif compression == JPEG:
            damage = jpeg.warning(tables + part[2:] if tables else part)
        elif compression in DEFLATE:
            damage = _zlib_damage(part)
        if damage is not None:
            return damage
    return None


def _fax_damage(part: bytes, max_zeros: int) -> str | None:
    """Whether a strip has zeros in place of data, which libtiff takes for its end or for white rows."""
    codes = part.rstrip(b"\0")
    if len(part) - len(codes) > MAX_FAX_PADDING_BYTES:
        last_bits = f"{int.from_bytes(codes[-MAX_FAX_END_BYTES:]):b}".rstrip("0")
        if not _FAX_END.search(last_bits):
            return "a part of it is truncated, and filled up with zeros"
    if bytes(max_zeros + 1) in codes:
        return "zeros are in the place of codes"
    return None


def _zlib_damage(packed: bytes) -> str | None:
    """Decompresses block by block to save memory."""
    decompressor = zlib.decompressobj()
    try:
        while packed and not decompressor.eof:
            decompressor.decompress(packed, MAX_BLOCK_BYTES)
            packed = decompressor.unconsumed_tail
    except zlib.error as error:
        return str(error)
    return None if decompressor.eof else "a part of it is truncated"


def _packed(old: Directory, at: int, inverted: bool) -> bytes:
    """A new directory for offset ``at``, followed by its values. An ``inverted`` picture is declared as a
    normal one, as Pillow supports inverted ones only up to 8 bits."""
    tags = sorted(
        tag
        for tag in old.entries.keys() & NEEDED
        if old.entries[tag].kind in FORMATS and (tag not in WITH_DEFAULTS or old.packed(tag))
    )
    start = at + 2 + 12 * len(tags) + 4
    directory, appended = struct.pack(f"{old.order}H", len(tags)), b""
    for tag in tags:
        kind, count, _ = old.entries[tag]
        packed = old.packed(tag)
        if inverted and tag == PHOTOMETRIC:
            kind, count, packed = 3, 1, struct.pack(f"{old.order}H", BLACK_IS_ZERO)
        elif tag in ONE_VALUE:
            count, packed = 1, packed[: struct.calcsize(f"={FORMATS[kind]}")]
        if not packed:
            raise UnreadableImageError(f"truncated: TIFF: the values of its tag {tag} lie behind its end")
        if kind in WIDE:  # numbers within a file in memory fit into 32 bits
            kind, packed = 4, struct.pack(f"{old.order}{count}L", *old.numbers(tag)[:count])
        directory += struct.pack(f"{old.order}HHL", tag, kind, count)
        if len(packed) <= 4:
            directory += packed.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{old.order}L", start + len(appended))
            appended += packed + bytes(len(packed) % 2)
    return directory + bytes(4) + appended
