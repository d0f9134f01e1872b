"""The central directory of a zip archive: where its members are, and how large, packed and named.

Comes in: an open file. Goes out: members in the order in which their bytes lie, and what is wrong with the
directory. Unlike the standard library's reader it gives up only what it can't read: a name that is not UTF-8
or a version that it doesn't know costs one member, not the archive. Layouts are those of PKWARE's
APPNOTE.TXT 6.3.10. Not its job: members' bytes (see zip).
"""

from __future__ import annotations

import os
import struct
from typing import IO, NamedTuple

END_SIGNATURE = b"PK\x05\x06"
_END = struct.Struct("<4s4H2LH")
"""Signature, disk, disk of the directory, entries here and in total, directory's bytes and offset, length of
the comment."""

_END_64_LOCATOR = struct.Struct("<4sLQL")
"""Signature, disk of the record below, its offset, disks."""

_END_64 = struct.Struct("<4sQ2H2L4Q")
"""Signature, bytes, versions, disk, disk of the directory, entries here and in total, directory's bytes and
offset."""

_ENTRY = struct.Struct("<4s6H3L5H2L")
"""Signature, versions, flags, method, time, date, checksum, packed and unpacked bytes, lengths of name, extra
and comment, disk, inner and outer attributes, offset of the member."""

ENCRYPTED = 0x1
UTF8_NAME = 0x800
"""Flags of a member."""

_UNIX = 3
"""The system that made a member, in its version: attributes then hold a Unix mode."""

_ZIP64_EXTRA = 1
_FULL = 0xFFFFFFFF
"""In place of a number that needs more than 32 bits."""


class Member(NamedTuple):
    """One entry of the directory."""

    name: str
    """With surrogates for bytes that are not UTF-8."""
    offset_bytes: int
    """Of its header in the file."""
    size_bytes: int
    packed_bytes: int
    flags: int
    method: int
    crc32: int
    unix_mode: int
    """0 where it isn't known."""


class Directory(NamedTuple):
    """All that could be read of it."""

    members: list[Member]
    end_bytes: int
    """Where members end in the file: where the directory begins."""
    damage: str | None
    """Why members are missing."""


def read_directory(raw: IO[bytes]) -> Directory:
    """The directory of the archive in ``raw``: about 400 bytes of memory a member.

    An archive that something else was put before, as in those that unpack themselves, is read all the same.
    """
    whole = raw.seek(0, os.SEEK_END)
    if whole == 0:
        return Directory([], 0, "empty archive: the file has no bytes")
    tail_at = max(0, whole - _END.size - 0xFFFF)
    raw.seek(tail_at)
    tail = raw.read()
    found = tail.rfind(END_SIGNATURE)
    if found < 0 or len(tail) - found < _END.size:
        return Directory([], 0, _why_no_directory(raw, whole))
    end = tail_at + found
    _, disk, first_disk, _, _, size, offset, _ = _END.unpack_from(tail, found)
    if (wide := _wide_end(raw, end)) is not None:
        disk, first_disk, size, offset, end = wide
    if disk or first_disk:
        return Directory([], 0, "split archive: it has several files; join them with `zip -s 0`")
    start = end - size
    if start < 0 or start < offset:
        return Directory([], 0, f"damaged archive: its directory can't begin at byte {offset}")
    members, damage = _entries(raw, start, end, before=start - offset)
    if not members and damage is None:
        damage = "empty archive: it has no members"
    return Directory(sorted(members, key=lambda member: member.offset_bytes), start, damage)


def _why_no_directory(raw: IO[bytes], whole: int) -> str:
    raw.seek(0)
    if raw.read(4) == b"PK\x03\x04":
        return f"truncated archive: it ends at byte {whole}, before its directory; `zip -FF` can save members"
    return "damaged archive: not a zip file"


def _wide_end(raw: IO[bytes], end: int) -> tuple[int, int, int, int, int] | None:
    """From the record for large archives, if there is one before ``end``: disk, the directory's disk, bytes
    and offset, and the record's own offset."""
    record_at = end - _END_64_LOCATOR.size - _END_64.size
    if record_at < 0:
        return None
    raw.seek(record_at)
    record, locator = raw.read(_END_64.size), raw.read(_END_64_LOCATOR.size)
    if not (record.startswith(b"PK\x06\x06") and locator.startswith(b"PK\x06\x07")):
        return None
    _, _, _, _, disk, first_disk, _, _, size, offset = _END_64.unpack(record)
    return disk, first_disk, size, offset, record_at


def _entries(raw: IO[bytes], start: int, end: int, before: int) -> tuple[list[Member], str | None]:
    """The members between ``start`` and ``end``; ``before`` bytes were put before the archive."""
    members: list[Member] = []
    raw.seek(start)
    at = start
    while at < end:
        head = raw.read(_ENTRY.size)
        if len(head) < _ENTRY.size or not head.startswith(b"PK\x01\x02"):
            return members, (
                f"damaged archive: its directory breaks off at byte {at}, after {len(members):,} members;"
                " others are lost"
            )
        entry = _ENTRY.unpack(head)
        name, extra = raw.read(entry[10]), raw.read(entry[11])
        raw.seek(entry[12], os.SEEK_CUR)
        members.append(_member(entry, name, extra, before))
        at += _ENTRY.size + entry[10] + entry[11] + entry[12]
    return members, None


def _member(entry: tuple[int, ...], name: bytes, extra: bytes, before: int) -> Member:
    version, flags, method = entry[1], entry[3], entry[4]
    crc32, packed, size = entry[7:10]
    offset = entry[16]
    size, packed, offset = _widened(extra, size, packed, offset)
    return Member(
        name=name.decode("utf-8" if flags & UTF8_NAME else "cp437", "surrogateescape").partition("\0")[0],
        offset_bytes=offset + before,
        size_bytes=size,
        packed_bytes=packed,
        flags=flags,
        method=method,
        crc32=crc32,
        unix_mode=entry[15] >> 16 if version >> 8 == _UNIX else 0,
    )


def _widened(extra: bytes, *numbers: int) -> list[int]:
    """``numbers``, with those that need 64 bits replaced by what ``extra`` has, in order.

    Where it hasn't them they stay: no file is that long, so the member will be found to be damaged.
    """
    wide: tuple[int, ...] = ()
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _ZIP64_EXTRA:
            content = extra[4 : 4 + length]
            wide = struct.unpack_from(f"<{len(content) // 8}Q", content)
            break
        extra = extra[4 + length :]
    found = iter(wide)
    return [next(found, number) if number == _FULL else number for number in numbers]
