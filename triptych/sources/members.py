"""Archives of files as shards: what tars and zips have in common.

Comes in: members, as their kind finds them. Goes out: a file for each that isn't passed over, found again by
its offset without another walk, and a record for each place from which members are lost. Not its job: where
members are, and how they are packed (see tar and zip).
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

PEEKED_REMOTE_MEMBERS = 16
"""Each of them is a request."""


class Member(NamedTuple):
    """One file, or what else an archive can hold."""

    name: str
    offset_bytes: int
    """Where it is read from."""
    size_bytes: int
    end_bytes: int = 0
    """Where the next one begins."""
    packed_bytes: int = sys.maxsize
    """At most."""
    crc32: int | None = None
    is_file: bool = True
    """Or a folder, a label: what has no record."""
    unreadable: str | None = None
    """Why it can't be read, whatever is in it."""


class LostMembers(NamedTuple):
    """A place of the archive from which members are lost."""

    offset_bytes: int
    reason: str


class DamagedMemberError(Exception):
    """A member's bytes aren't what they should be: the reason that its record keeps."""


class MembersShard:
    """All members of one archive."""

    file_count = None

    def __init__(self, archive: Archive) -> None:
        self.name, self.archive_key = archive.name, archive.key
        self._path, self._chosen = archive.path, archive.chosen
        self.size_bytes, self._modified_ns = archive.size_and_time

    def open(self, *, in_ranges: bool = False) -> IO[bytes]:
        """The archive, to be walked through, or to read here and there. Raises OSError."""
        return open_regular(self._path, in_ranges=in_ranges)

    def members(self, raw: IO[bytes], *, look_on: bool = True) -> Iterator[Member | LostMembers]:
        """In the order in which they lie. Without ``look_on`` nothing is searched for behind damage."""
        raise NotImplementedError

    def content(self, raw: IO[bytes], member: Member, most_bytes: int | None = None) -> bytes:
        """All of a member, or its first ``most_bytes``. Raises DamagedMemberError, OSError."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        return f"{self.archive_key}\t{self.size_bytes}{self._chosen.described()}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't passed over. A name that comes again is listed as unreadable, as its key
        would not be unique."""
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

    def peek(self, most_members: int) -> tuple[int, int]:
        """See Uncounted."""
        files = end = 0
        if is_url(self._path):
            most_members = min(most_members, PEEKED_REMOTE_MEMBERS)
        try:
            with self.open(in_ranges=True) as raw:
                for count, member in enumerate(self.members(raw, look_on=False)):
                    if count == most_members or isinstance(member, LostMembers):
                        return files, end
                    files += not self._is_passed_over(member)
                    end = member.end_bytes
                return files, self.size_bytes or 0
        except (OSError, MemoryError):
            return 0, 0

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if they aren't there any more."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        try:
            with self.open(in_ranges=True) as raw:
                return self.content(raw, Member(key, offset_bytes, size_bytes))
        except DamagedMemberError as error:
            raise OSError(f"{key} is not in {self._path} any more: {error}") from None

    def files_beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """See texts.WithFilesBeside."""
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
        return self._chosen.leaves_out(member_key(self.name, member.name)[0])

    def _found(self, raw: IO[bytes], member: Member, seen: set[str]) -> FoundFile:
        """``seen`` are the keys of the members before; this one's is added."""
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
