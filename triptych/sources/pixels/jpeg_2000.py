"""JPEG 2000: detects missing tiles, which its decoder leaves black.

Comes in: a file's bytes. Goes out: a BareFile of them. Not its job: decoding.
"""

from __future__ import annotations

import struct

from triptych.sources.pixels.bare_file import BareFile

START, TILE_PART = b"\xff\x4f\xff\x51", b"\xff\x90"

_SIZES = struct.Struct(">8L")
"""Right, bottom, left and top of the picture, and width, height, left and top of its tiles."""
_TILE_PART = struct.Struct(">4xHL2x")
"""Header of a tile part: the tile's number, and the length."""


def bare_file(content: bytes) -> BareFile:
    """The unchanged file, checked for missing tiles."""
    try:
        missing = _missing_tiles(content, content.index(START))
    except (ValueError, struct.error, ZeroDivisionError):  # the decoder reports damage
        return BareFile(content)
    return BareFile(content, damage=f"it is truncated before {missing} of its tiles" if missing else None)


def _missing_tiles(content: bytes, at: int) -> int:
    """How many tiles are missing from the codestream at ``at``."""
    right, bottom, _, _, width, height, left, top = _SIZES.unpack_from(content, at + 8)
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
