"""TIFF: its first picture under a directory without metadata.

Comes in: a file's bytes. Goes out: a BareFile with the same pixels, and behind them a new directory of the
tags that the pixels need, with offsets of 32 bits, which every reader takes. Not its job: unpacking, which
libtiff and Pillow do.
"""

from __future__ import annotations

import struct

from triptych.errors import UnreadableImageError
from triptych.sources.pixels import orientation
from triptych.sources.pixels.bare_file import BareFile
from triptych.sources.pixels.tiff_directory import FORMS, WIDE, Directory

SUBFILE_TYPE, SUB_DIRECTORIES, XMP, DNG_VERSION = 254, 330, 700, 50706
WIDTH, HEIGHT, STRIP_OFFSETS, TILE_OFFSETS = 256, 257, 273, 324
NEEDED = frozenset(
    {WIDTH, HEIGHT, 258, 259, 262, 266, STRIP_OFFSETS, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323}
    | {TILE_OFFSETS, 325, 332, 338, 339, 347, *range(512, 522), *range(529, 533)}
)
"""How the pixels are packed and where they lie, from their bits (258) to the range of their levels (532)."""


def bare_file(content: bytes) -> BareFile:
    """The same pixels under a new directory."""
    directory = Directory(content)
    entries = directory.entries
    reduced = (directory.first_integer(SUBFILE_TYPE) or 0) & 1
    if DNG_VERSION in entries or (reduced and SUB_DIRECTORIES in entries):
        raise UnreadableImageError("unsupported format: camera raw")
    if not {WIDTH, HEIGHT} <= entries.keys() or not {STRIP_OFFSETS, TILE_OFFSETS} & entries.keys():
        raise UnreadableImageError("damaged: TIFF: its directory doesn't say where the picture is")
    at = len(content) + len(content) % 2
    head = content[:2] + struct.pack(f"{directory.order}HL", 42, at)
    bare = b"".join((head, content[8:], bytes(at - len(content)), _packed(directory, at)))
    xmp = directory.packed(XMP) if XMP in entries else b""
    return BareFile(bare, orientation.valid(directory.first_integer(orientation.TAG), xmp))


def _packed(old: Directory, at: int) -> bytes:
    """A directory that stands at ``at``, with the values behind it."""
    tags = sorted(tag for tag in old.entries.keys() & NEEDED if old.entries[tag].kind in FORMS)
    start = at + 2 + 12 * len(tags) + 4
    directory, behind = struct.pack(f"{old.order}H", len(tags)), b""
    for tag in tags:
        kind, values, _ = old.entries[tag]
        packed = old.packed(tag)
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
