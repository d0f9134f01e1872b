"""Where the pixel data of an AVIF or HEIC is, by its item boxes (ISO/IEC 14496-12).

Comes in: a file's bytes. Goes out: the extents of coded images, without metadata. Not its job: decoding, and
image sequences, whose frames are not items.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

CODED = frozenset({b"av01", b"hvc1", b"hev1", b"lhv1", b"vvc1", b"evc1", b"avc1", b"jpeg", b"j2k1", b"unci"})
"""Types of items with pixel data. A picture may consist of several, combined by another item."""

_FORMATS = {0: "", 4: "L", 8: "Q"}
"""struct formats by the width of a number in bytes."""


def coded_extents(content: bytes) -> list[tuple[int, int]]:
    """Start and end of each part of the coded images; of a file without items, of all media data."""
    kinds: dict[int, bytes] = {}
    extents: list[tuple[int, int, int]] = []
    data: list[tuple[int, int]] = []
    with contextlib.suppress(struct.error, KeyError):  # the decoder reports damage
        for name, start, end in _boxes(content, 0, len(content)):
            if name == b"mdat":
                data.append((start, end))
            for inner, at, to in _boxes(content, start + 4, end) if name == b"meta" else ():
                if inner == b"iinf":
                    kinds |= _item_types(content, at, to)
                elif inner == b"iloc":
                    extents += _extents(content[at:to])
    return [(start, end) for item, start, end in extents if kinds.get(item) in CODED] or data


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name of each box, and start and end of its content."""
    while at + 8 <= end:
        length, name = struct.unpack_from(">L4s", content, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", content, start)
            start += 8
        at = at + length if length else end
        if at < start:
            return
        yield name, start, min(at, end)


def _item_types(content: bytes, at: int, end: int) -> dict[int, bytes]:
    """The type of each item, by its number."""
    kinds: dict[int, bytes] = {}
    (version,) = struct.unpack_from("B", content, at)
    for name, start, _ in _boxes(content, at + (8 if version else 6), end):
        (version,) = struct.unpack_from("B", content, start)
        if name == b"infe" and version >= 2:
            item, kind = struct.unpack_from(">L2x4s" if version == 3 else ">H2x4s", content, start + 4)
            kinds[item] = kind
    return kinds


def _extents(box: bytes) -> Iterator[tuple[int, int, int]]:
    """Item number, start and end of each part of an item that is stored in the file."""
    version, widths, more = struct.unpack_from(">B3xBB", box)
    numbers = (widths >> 4, widths & 15, more >> 4, more & 15 if version else 0)
    offset, length, base, index = (_FORMATS[width] for width in numbers)
    wide = "L" if version == 2 else "H"
    at = 6

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f">{form}", box, at) if form else (0,)
        at += struct.calcsize(f">{form}")
        return int(value)

    for _ in range(take(wide) if length else 0):  # else the item is the whole file
        item = take(wide)
        is_in_file = not (version and take("H") & 15)
        take("H")  # number of the file
        first = take(base)
        for _ in range(take("H")):
            take(index)
            start = first + take(offset)
            size = take(length)
            if is_in_file:
                yield item, start, start + size
