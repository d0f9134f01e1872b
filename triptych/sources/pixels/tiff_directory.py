"""The first directory of a TIFF, which is what EXIF is, too: where each tag's values lie.

Comes in: bytes from anybody, in either byte order, with offsets of 32 or 64 bits. Goes out: tags, as far as
they can be read, and their values when asked for. Not its job: what they mean.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_ENTRIES = 65_535
"""As many as an offset of 32 bits allows."""

FORMS = {1: "B", 2: "c", 3: "H", 4: "L", 5: "LL", 6: "b", 7: "c", 8: "h", 9: "l", 10: "ll", 11: "f", 12: "d"}
"""How a value of each type is unpacked."""
FORMS |= {13: "L", 16: "Q", 17: "q", 18: "Q"}
TEXTS = frozenset({2, 7})
WIDE = frozenset({16, 17, 18})
"""Types of 64 bits."""
INTEGERS = frozenset({1, 3, 4, 6, 8, 9, 13}) | WIDE


class Entry(NamedTuple):
    """The values of a tag: their type, how many, and at which byte they begin."""

    kind: int
    values: int
    at: int

    @property
    def size_bytes(self) -> int:
        """Of all values; 0 where the type is none."""
        return self.values * struct.calcsize(f"={FORMS.get(self.kind, '')}")


class Directory:
    """Of ``content``. Raises struct.error where there is none."""

    def __init__(self, content: bytes) -> None:
        self.order = "<" if content[:2] == b"II" else ">"
        self.entries: dict[int, Entry] = {}
        """By tag. Of one that comes twice the first."""
        self._content = content
        wide = content[2:4] in (b"+\0", b"\0+")
        offset, entry_bytes = ("Q", 20) if wide else ("L", 12)
        (at,) = self._unpack(offset, 8 if wide else 4)
        (count,) = self._unpack("Q" if wide else "H", at)
        first = at + (8 if wide else 2)
        self.is_cut = first + entry_bytes * count + struct.calcsize(f"={offset}") > len(content)
        """Whether ``content`` ends before it. Then the tags of the highest numbers are missing."""
        for start in range(first, first + entry_bytes * min(count, MAX_ENTRIES), entry_bytes):
            if start + entry_bytes > len(content):
                break
            tag, kind, values = self._unpack(f"HH{offset}", start)
            entry = Entry(kind, values, start + 4 + struct.calcsize(f"={offset}"))
            if entry.size_bytes > struct.calcsize(f"={offset}"):
                entry = entry._replace(at=self._unpack(offset, entry.at)[0])
            self.entries.setdefault(tag, entry)

    def packed(self, tag: int) -> bytes:
        """All values of ``tag`` as they stand; nothing where they lie behind the end."""
        entry = self.entries[tag]
        found = self._content[entry.at : entry.at + entry.size_bytes]
        return found if len(found) == entry.size_bytes else b""

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All values of ``tag``, which are integers."""
        entry = self.entries[tag]
        return self._unpack(f"{entry.values}{FORMS[entry.kind]}", entry.at)

    def integers(self, tag: int) -> tuple[int, ...]:
        """All values of ``tag``; none where it isn't there, or holds others than integers."""
        entry = self.entries.get(tag)
        return self.numbers(tag) if entry is not None and entry.kind in INTEGERS else ()

    def first_integer(self, tag: int) -> int | None:
        """The first value of ``tag``, in whatever type of number it stands; None where there is none."""
        entry = self.entries.get(tag)
        if entry is None or not entry.values or entry.kind not in FORMS or entry.kind in TEXTS:
            return None
        try:
            number, *divisor = self._unpack(FORMS[entry.kind], entry.at)
            return int(number / divisor[0] if divisor else number)
        except (struct.error, ArithmeticError, ValueError):  # behind the end, by zero, not finite
            return None

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        if at > len(self._content):  # or perhaps more than struct can count
            raise struct.error("behind the end")
        return struct.unpack_from(f"{self.order}{form}", self._content, at)
