"""What tars and zips as shards have in common.

Comes in: members, found by a subclass. Goes out: a file for each that isn't skipped, which can be read again
by its offset, and a record for each place where members are lost. Not its job: where members are, and how
they are compressed (see tar and zip).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO, NamedTuple

from triptych.sources.file_names import is_passed_over, member_key, why_not_an_image
from triptych.sources.image_format import HEAD_BYTES
from triptych.sources.regular_files import MAX_TEXT_FILE_BYTES, open_regular, size_of, why_not_read
from triptych.sources.remote_storage import is_url
from triptych.sources.shard import Archive, FoundFile

MAX_PEEKED_REMOTE_MEMBERS = 16
"""Each takes a request."""


class Member(NamedTuple):
    """One entry of an archive."""

    name: str
    offset_bytes: int
    """Where reading starts: at its header in a zip, at its content in a tar."""
    size_bytes: int
    end_bytes: int = 0
    """Where the next one begins."""
    packed_bytes: int = sys.maxsize
    """Compressed size; by default unbounded."""
    crc32: int | None = None
    is_file: bool = True
    """False for folders and labels, which get no record."""
    unreadable: str | None = None
    """Why it can't be read, if its header shows that."""


class LostMembers(NamedTuple):
    """A place in the archive where members are lost."""

    offset_bytes: int
    reason: str


class DamagedMemberError(Exception):
    """A member's bytes are damaged. The message is the reason to record."""


class MembersShard:
    """All members of one archive."""

    file_count = None

    def __init__(self, archive: Archive) -> None:
        self.name, self.archive_key = archive.name, archive.key
        self._path, self._filter = archive.path, archive.member_filter
        self.size_bytes, self._modified_ns = archive.size_and_time

    def open(self, *, in_ranges: bool = False) -> IO[bytes]:
        """The archive, to read through, or here and there if ``in_ranges``. Raises OSError."""
        return open_regular(self._path, in_ranges=in_ranges)

    def members(self, raw: IO[bytes], *, scan_past_damage: bool = True) -> Iterator[Member | LostMembers]:
        """In file order. ``scan_past_damage``: search for more members after damage."""
        raise NotImplementedError

    def content(self, raw: IO[bytes], member: Member, max_bytes: int | None = None) -> bytes:
        """The content of a member, or its first ``max_bytes``. Raises DamagedMemberError, OSError."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        return f"{self.archive_key}\t{self.size_bytes}{self._filter.described()}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't skipped. Repeated names are unreadable, as keys must be unique."""
        seen: set[str] = set()
        members = listed = left_out = 0
        try:
            with self.open() as raw:
                for member in self.members(raw):
                    members += 1
                    if isinstance(member, LostMembers):
                        at = f"#{member.offset_bytes}" if member.offset_bytes else ""
                        file = FoundFile(key=f"{self.archive_key}{at}", unreadable=member.reason)
                    elif self._is_passed_over(member):
                        left_out += member.is_file and not is_passed_over(member.name)
                        continue
                    else:
                        file = self._found(raw, member, seen)
                    listed += 1
                    yield file
                is_empty = size_of(raw) == 0
        except (OSError, MemoryError) as error:
            yield FoundFile(key=self.archive_key, unreadable=why_not_read(error))
            return
        if not listed and not left_out:
            what = f"none of its {members:,} members can be an image" if members else "it has no members"
            what = "the file has no bytes" if is_empty else what
            yield FoundFile(key=self.archive_key, unreadable=f"empty archive: {what}")

    def peek(self, max_members: int) -> tuple[int, int]:
        """See Peekable."""
        files = end = 0
        if is_url(self._path):
            max_members = min(max_members, MAX_PEEKED_REMOTE_MEMBERS)
        try:
            with self.open(in_ranges=True) as raw:
                for count, member in enumerate(self.members(raw, scan_past_damage=False)):
                    if count == max_members or isinstance(member, LostMembers):
                        return files, end
                    files += not self._is_passed_over(member)
                    end = member.end_bytes
                return files, self.size_bytes or 0
        except (OSError, MemoryError):
            return 0, 0

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if it is gone."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        try:
            with self.open(in_ranges=True) as raw:
                return self.content(raw, Member(key, offset_bytes, size_bytes))
        except DamagedMemberError as error:
            raise OSError(f"{key} is not in {self._path} any more: {error}") from None

    def sidecars(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """See texts.HasSidecars."""
        with contextlib.suppress(OSError, MemoryError), self.open() as raw:
            for member in self.members(raw):
                if isinstance(member, LostMembers) or member.unreadable or not member.is_file:
                    continue
                if member.name.lower().endswith(suffix) and member.size_bytes <= MAX_TEXT_FILE_BYTES:
                    with contextlib.suppress(DamagedMemberError):
                        yield member_key(self.name, member.name)[0], self.content(raw, member)

    def _is_passed_over(self, member: Member) -> bool:
        if not member.is_file or is_passed_over(member.name):
            return True
        return self._filter.leaves_out(member_key(self.name, member.name)[0])

    def _found(self, raw: IO[bytes], member: Member, seen: set[str]) -> FoundFile:
        """The member as a file. ``seen`` has the keys of earlier members; this one's is added."""
        key, reason = member_key(self.name, member.name)
        if key in seen:
            reason = "name twice: an earlier member of the archive has this name"
            key = f"{key}#{member.offset_bytes}"
        seen.add(key)
        reason = reason or member.unreadable
        content = b""
        try:
            reason = reason or why_not_an_image(member.name, lambda: self.content(raw, member, HEAD_BYTES))
            content = self.content(raw, member) if reason is None else b""
        except DamagedMemberError as error:
            reason = f"damaged: {error}"
        except (OSError, MemoryError) as error:
            reason = why_not_read(error)
        if reason is not None:
            return FoundFile(key=key, unreadable=reason)
        return FoundFile(key=key, content=content, offset_bytes=member.offset_bytes)
