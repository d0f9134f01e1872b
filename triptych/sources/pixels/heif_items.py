"""Where the pixels of an AVIF or HEIC lie: by the boxes of ISO/IEC 14496-12 that tell its items.

Comes in: a file's bytes. Goes out: the places of what is coded, without those of metadata, which may lie
behind it. Not its job: decoding, and films, whose frames are no items.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

CODED = frozenset({b"av01", b"hvc1", b"hev1", b"lhv1", b"vvc1", b"evc1", b"avc1", b"jpeg", b"j2k1", b"unci"})
"""Types of items. A picture may be of several, which another one puts together."""

_FORMS = {0: "", 4: "L", 8: "Q"}
"""Of the numbers in a box that says itself how wide they are."""


def pixel_places(content: bytes) -> list[tuple[int, int]]:
    """Where each part of what is coded begins and ends; of a file without items, all data."""
    kinds: dict[int, bytes] = {}
    places: list[tuple[int, int, int]] = []
    data: list[tuple[int, int]] = []
    with contextlib.suppress(struct.error, KeyError):  # the decoder will say so
        for name, start, end in _boxes(content, 0, len(content)):
            if name == b"mdat":
                data.append((start, end))
            for inner, at, to in _boxes(content, start + 4, end) if name == b"meta" else ():
                if inner == b"iinf":
                    kinds |= _kinds(content, at, to)
                elif inner == b"iloc":
                    places += _places(content[at:to])
    return [(start, end) for item, start, end in places if kinds.get(item) in CODED] or data


def _boxes(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The name of each box, and where what is in it begins and ends."""
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


def _kinds(content: bytes, at: int, end: int) -> dict[int, bytes]:
    """The type of each item, by its number."""
    kinds: dict[int, bytes] = {}
    (version,) = struct.unpack_from("B", content, at)
    for name, start, _ in _boxes(content, at + (8 if version else 6), end):
        (version,) = struct.unpack_from("B", content, start)
        if name == b"infe" and version >= 2:
            item, kind = struct.unpack_from(">L2x4s" if version == 3 else ">H2x4s", content, start + 4)
            kinds[item] = kind
    return kinds


def _places(box: bytes) -> Iterator[tuple[int, int, int]]:
    """Of each part of an item that lies in the file the item's number, and where it begins and ends."""
    version, widths, more = struct.unpack_from(">B3xBB", box)
    numbers = (widths >> 4, widths & 15, more >> 4, more & 15 if version else 0)
    offset, length, base, index = (_FORMS[width] for width in numbers)
    wide = "L" if version == 2 else "H"
    at = 6

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f">{form}", box, at) if form else (0,)
        at += struct.calcsize(f">{form}")
        return int(value)

    for _ in range(take(wide) if length else 0):  # else an item is all of the file
        item = take(wide)
        is_in_file = not (version and take("H") & 15)
        take("H")  # which file
        first = take(base)
        for _ in range(take("H")):
            take(index)
            start = first + take(offset)
            size = take(length)
            if is_in_file:
                yield item, start, start + size
