"""Damage that disks, networks and programs do to image files: functions of the bytes and of chance."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]

END = b"\xff\xd9"
SCAN = re.compile(rb"\xff\xda\0[\x06-\x0c]")
"""The beginning of a JPEG's scan."""


def first_pixel_byte(content: bytes) -> int:
    """Where the data of a JPEG's last scan begins; in other files, a tenth of the way through."""
    scans = [found.end() for found in SCAN.finditer(content)] if content.startswith(b"\xff\xd8") else []
    return scans[-1] + 10 if scans else len(content) // 10


def _place(content: bytes, chance: Random, length: int = 1) -> int:
    return chance.randrange(first_pixel_byte(content), len(content) - length - 1)


def cut(content: bytes, chance: Random) -> bytes:
    """The end is missing."""
    return content[: _place(content, chance)]


def cut_and_ended(content: bytes, chance: Random) -> bytes:
    """The end is missing, and a JPEG's end mark is appended, as some programs do."""
    return cut(content, chance) + END


def cut_and_filled(content: bytes, chance: Random) -> bytes:
    """The end is zeros, as in interrupted downloads."""
    return cut(content, chance).ljust(len(content), b"\0")


def one_byte(content: bytes, chance: Random) -> bytes:
    """One byte is changed."""
    place = _place(content, chance)
    return content[:place] + bytes([content[place] ^ chance.randrange(1, 256)]) + content[place + 1 :]


def eight_bytes(content: bytes, chance: Random) -> bytes:
    """Eight bytes are changed, anywhere."""
    for _ in range(8):
        content = one_byte(content, chance)
    return content


def zeros(content: bytes, chance: Random) -> bytes:
    """A sector is zeros."""
    length = min(512, len(content) // 4)
    place = _place(content, chance, length)
    return content[:place] + bytes(length) + content[place + length :]


def noise(content: bytes, chance: Random) -> bytes:
    """A sector is random bytes, as if from another file."""
    length = min(512, len(content) // 4)
    place = _place(content, chance, length)
    return content[:place] + chance.randbytes(length) + content[place + length :]


def lost(content: bytes, chance: Random) -> bytes:
    """Some bytes in the middle are missing."""
    length = chance.randrange(1, min(512, len(content) // 4))
    place = _place(content, chance, length)
    return content[:place] + content[place + length :]


def without_last_scan(content: bytes, chance: Random) -> bytes:
    """A progressive JPEG ends before its last scan, with an end mark."""
    tables_or_scan = re.compile(rb"\xff[\xc4\xda]\0.")
    last = [found.start() for found in SCAN.finditer(content)][-1]
    before = [found.start() for found in tables_or_scan.finditer(content, 0, last)][-1]
    return content[: before if content[before + 1] == 0xC4 else last] + END


DAMAGE: dict[str, Damage] = {
    made.__name__: made
    for made in (cut, cut_and_ended, cut_and_filled, one_byte, eight_bytes, zeros, noise, lost)
}
"""The damage that can happen to any file, by name."""
