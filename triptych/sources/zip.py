"""Zip archives as shards: stored and deflated members, read by their own.

Comes in: a ``.zip``. Goes out: a shard. Members are read by offset, so an image is found again without
reading the directory another time. A member that is encrypted, damaged or absurd is a record, and the others
stay. What is unpacked is limited by its size in the directory, by MAX_FILE_BYTES, and, as members may not
overlap, by the length of the archive: no small file keeps a run busy for days. Not its job: the directory
(see zip_directory); other compression than deflate, which no tool uses for images.
"""

from __future__ import annotations

import contextlib
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import IO

from triptych.sources.file_names import is_passed_over, member_key, says_nothing, why_not_an_image
from triptych.sources.image_format import HEAD_BYTES
from triptych.sources.regular_files import (
    MAX_FILE_BYTES,
    MAX_TEXT_FILE_BYTES,
    modified_ns_of,
    open_regular,
    size_of,
    why_not_read,
)
from triptych.sources.shard import Archive, FoundFile
from triptych.sources.zip_directory import ENCRYPTED, Member, read_directory

READ_AT_ONCE_BYTES = 1024 * 1024
"""At most, of a deflated member."""

STORED, DEFLATED = 0, 8

_HEADER = struct.Struct("<4s5H3L2H")
"""Of a member: signature, version, flags, method, time, date, checksum, packed and unpacked bytes, lengths of
name and extra. Checksum and sizes may follow the member instead, so they aren't looked at here."""


class DamagedMemberError(Exception):
    """A member's bytes aren't what they should be: the reason that its record keeps."""


class ZipShard:
    """All members of one zip."""

    file_count = None

    def __init__(self, archive: Archive) -> None:
        self.name, self.archive_key = archive.name, archive.key
        self._path, self._chosen = archive.path, archive.chosen
        self.size_bytes, self._modified_ns = size_of(archive.path), modified_ns_of(archive.path)

    def fingerprint(self) -> str:
        return f"{self.archive_key}\t{self.size_bytes}{self._chosen.described()}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't a folder or passed over, in the order in which they lie in the archive.

        A member name that comes again is listed as unreadable, as its key would not be unique.
        """
        seen: set[str] = set()
        try:
            with open_regular(self._path) as raw:
                members, end_bytes, damage = read_directory(raw)
                for member, next_at in _with_ends(members, end_bytes):
                    if self._is_passed_over(member):
                        continue
                    key, reason = self._key(member, next_at)
                    if key in seen:
                        reason = "name twice: an earlier member of the archive has this name"
                        key = f"{key}#{member.offset_bytes}"
                    seen.add(key)
                    yield _found(raw, key, member, reason)
                if damage is not None:
                    yield FoundFile(key=self.archive_key, unreadable=damage)
        except (OSError, MemoryError) as error:
            yield FoundFile(key=self.archive_key, unreadable=why_not_read(error))

    def peek(self, most_members: int) -> tuple[int, int]:
        """See Uncounted. All members count, as the directory has to be read anyway."""
        try:
            with open_regular(self._path) as raw:
                members = read_directory(raw).members
        except (OSError, MemoryError):
            return 0, 0
        files = sum(not self._is_passed_over(member) for member in members)
        return files, (self.size_bytes or 0) if members else 0

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if they aren't there any more."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        try:
            with open_regular(self._path) as raw:
                return _unpacked(raw, offset_bytes, size_bytes)
        except DamagedMemberError as error:
            raise OSError(f"{key} is not in {self._path} any more: {error}") from None

    def files_beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """See texts.WithFilesBeside."""
        try:
            with open_regular(self._path) as raw:
                for member in read_directory(raw).members:
                    if not member.name.lower().endswith(suffix) or member.size_bytes > MAX_TEXT_FILE_BYTES:
                        continue
                    with contextlib.suppress(DamagedMemberError):
                        content = _unpacked(raw, member.offset_bytes, member.size_bytes)
                        yield member_key(self.name, member.name)[0], content
        except (OSError, MemoryError):
            return

    def _is_passed_over(self, member: Member) -> bool:
        if member.name.endswith("/") or is_passed_over(member.name):
            return True
        return self._chosen.leaves_out(member_key(self.name, member.name)[0])

    def _key(self, member: Member, next_at: int) -> tuple[str, str | None]:
        """A member's key, and the reason why it can't be read."""
        key, reason = member_key(self.name, member.name)
        return key, reason or _why_not_read(member, next_at)


def _with_ends(members: list[Member], end_bytes: int) -> Iterator[tuple[Member, int]]:
    """Each member with where the next one begins, or the directory."""
    yield from ((member, following.offset_bytes) for member, following in pairwise(members))
    yield from ((member, end_bytes) for member in members[-1:])


def _why_not_read(member: Member, next_at: int) -> str | None:
    """By a member's entry in the directory."""
    if stat.S_ISLNK(member.unix_mode):
        return "link in archive: it has no bytes of its own"
    if not says_nothing(member.name) and (reason := why_not_an_image(member.name)) is not None:
        return reason
    if member.flags & ENCRYPTED:
        return "encrypted: the archive has a password; unpack it"
    if member.method not in (STORED, DEFLATED):
        return f"unknown compression: method {member.method}; only deflated and stored members can be read"
    if member.size_bytes > MAX_FILE_BYTES:
        return f"too large: {member.size_bytes:,} bytes, unpacked; at most {MAX_FILE_BYTES:,} are read"
    if member.offset_bytes + _HEADER.size + member.packed_bytes > next_at:
        return "damaged: its bytes would reach into what follows it in the archive"
    return None


def _found(raw: IO[bytes], key: str, member: Member, reason: str | None) -> FoundFile:
    if reason is not None:
        return FoundFile(key=key, unreadable=reason)
    try:
        if says_nothing(member.name):
            head = _unpacked(raw, member.offset_bytes, HEAD_BYTES, member.packed_bytes, head_only=True)
            if (reason := why_not_an_image(member.name, head)) is not None:
                return FoundFile(key=key, unreadable=reason)
        content = _unpacked(raw, member.offset_bytes, member.size_bytes, member.packed_bytes)
    except DamagedMemberError as error:
        return FoundFile(key=key, unreadable=f"damaged: {error}")
    except MemoryError as error:
        return FoundFile(key=key, unreadable=why_not_read(error))
    if zlib.crc32(content) != member.crc32:
        return FoundFile(key=key, unreadable="damaged: its bytes are not those that its checksum was made of")
    return FoundFile(key=key, content=content, offset_bytes=member.offset_bytes)


def _unpacked(
    raw: IO[bytes],
    offset_bytes: int,
    size_bytes: int,
    packed_bytes: int = sys.maxsize,
    *,
    head_only: bool = False,
) -> bytes:
    """The content of the member whose header is at ``offset_bytes``, of which no more than ``packed_bytes``
    are read; ``head_only``: up to ``size_bytes`` of it. Raises DamagedMemberError."""
    raw.seek(offset_bytes)
    header = raw.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise DamagedMemberError(f"there is no member at byte {offset_bytes}")
    _, _, _, method, *_, name_bytes, extra_bytes = _HEADER.unpack(header)
    raw.seek(offset_bytes + _HEADER.size + name_bytes + extra_bytes)
    if method == STORED:
        content = raw.read(min(size_bytes, packed_bytes))
    elif method == DEFLATED:
        content = _inflated(raw, size_bytes, packed_bytes, head_only)
    else:
        raise DamagedMemberError(f"its header says compression method {method}")
    if len(content) != size_bytes and not head_only:
        raise DamagedMemberError(f"{len(content):,} bytes, expected {size_bytes:,}")
    return content


def _inflated(raw: IO[bytes], size_bytes: int, packed_bytes: int, head_only: bool) -> bytes:
    """What is deflated from here on: ``size_bytes`` of it, or what shows that there are more or fewer."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    at_once_bytes = min(size_bytes + 1024, READ_AT_ONCE_BYTES)  # images hardly get smaller: mostly once
    left = size_bytes + 1  # the one more shows that the stream does not end where it should
    try:
        while left > 0 and not inflating.eof:
            packed = inflating.unconsumed_tail
            if not packed:
                packed = raw.read(min(packed_bytes, at_once_bytes))
                packed_bytes -= len(packed)
            if not packed:
                break
            parts.append(inflating.decompress(packed, left))
            left -= len(parts[-1])
    except zlib.error as error:
        raise DamagedMemberError(f"it can't be inflated: {error}") from None
    if not inflating.eof and not head_only:
        raise DamagedMemberError("what is deflated has no end where it should")
    return b"".join(parts)
