"""Parses the first directory of a TIFF, or of EXIF, which has the same structure.

Comes in: untrusted bytes, in either byte order, with offsets of 32 or 64 bits. Goes out: the readable tags,
and their values on request. Not its job: what they mean.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_ENTRIES = 65_535
"""The limit of a TIFF with 32-bit offsets."""

FORMATS = {
    1: "B",
    2: "c",
    3: "H",
    4: "L",
    5: "LL",
    6: "b",
    7: "c",
    8: "h",
    9: "l",
    10: "ll",
    11: "f",
    12: "d",
}
FORMATS |= {13: "L", 16: "Q", 17: "q", 18: "Q"}
"""struct format of a value, by its TIFF type."""
TEXTS = frozenset({2, 7})
WIDE = frozenset({16, 17, 18})
"""64-bit types."""
INTEGERS = frozenset({1, 3, 4, 6, 8, 9, 13}) | WIDE


class Entry(NamedTuple):
    """Where a tag's values are."""

    kind: int
    """Their TIFF type."""
    value_count: int
    at: int
    """Their offset in bytes."""

    @property
    def size_bytes(self) -> int:
        """Of all values; 0 if the type is unknown."""
        return self.value_count * struct.calcsize(f"={FORMATS.get(self.kind, '')}")


class Directory:
    """The first directory in ``content``. Raises struct.error if there is none."""

    def __init__(self, content: bytes) -> None:
        self.order = "<" if content[:2] == b"II" else ">"
        self.entries: dict[int, Entry] = {}
        """By tag. The first counts if one is repeated."""
        self._content = content
        is_big = content[2:4] in (b"+\0", b"\0+")
        offset, offset_bytes, entry_bytes = ("Q", 8, 20) if is_big else ("L", 4, 12)
        (at,) = self._unpack(offset, offset_bytes)
        (entry_count,) = self._unpack("Q" if is_big else "H", at)
        first = at + (8 if is_big else 2)
        self.is_truncated = first + entry_bytes * entry_count + offset_bytes > len(content)
        """Whether ``content`` ends within the directory."""
        for start in range(first, first + entry_bytes * min(entry_count, MAX_ENTRIES), entry_bytes):
            if start + entry_bytes > len(content):
                break
            tag, kind, count = self._unpack(f"HH{offset}", start)
            entry = Entry(kind, count, start + 4 + offset_bytes)
            if entry.size_bytes > offset_bytes:
                entry = entry._replace(at=self._unpack(offset, entry.at)[0])
            self.entries.setdefault(tag, entry)

    def packed(self, tag: int) -> bytes:
        """The bytes of all values of ``tag``; empty if they are beyond the end."""
        entry = self.entries[tag]
        found = self._content[entry.at : entry.at + entry.size_bytes]
        return found if len(found) == entry.size_bytes else b""

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All values of ``tag``, which must be integers."""
        entry = self.entries[tag]
        return self._unpack(f"{entry.value_count}{FORMATS[entry.kind]}", entry.at)

    def integers(self, tag: int) -> tuple[int, ...]:
        """All values of ``tag``; none if it is missing or has other types than integers."""
        entry = self.entries.get(tag)
        return self.numbers(tag) if entry is not None and entry.kind in INTEGERS else ()

    def first_integer(self, tag: int) -> int | None:
        """The first value of ``tag``, of any numeric type, as an integer; None if there is none."""
        entry = self.entries.get(tag)
        if entry is None or not entry.value_count or entry.kind not in FORMATS or entry.kind in TEXTS:
            return None
        try:
            number, *divisor = self._unpack(FORMATS[entry.kind], entry.at)
            return int(number / divisor[0] if divisor else number)
        except (struct.error, ArithmeticError, ValueError):  # beyond the end, division by zero, not finite
            return None

    def _unpack(self, struct_format: str, at: int) -> tuple[int, ...]:
        if at > len(self._content):  # which may be too large a number for struct
            raise struct.error("beyond the end")
        return struct.unpack_from(f"{self.order}{struct_format}", self._content, at)
