"""Tar archives as shards: SA-1B's, WebDataset's, and any other.

Comes in: a tar, which is unpacked first if it is compressed. Goes out: a shard. A truncated or damaged
archive gives every intact member, and a record for each place where members are lost. Not its job: finding
headers (see tar_headers).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial
from typing import IO

from triptych.sources.file_names import usable_key
from triptych.sources.members import DamagedMemberError, LostMembers, Member, MembersShard
from triptych.sources.regular_files import read_bounded, size_of
from triptych.sources.shard import Archive, FoundFile
from triptych.sources.tar_headers import find_headers
from triptych.sources.unpacking import UnpackedFile, decompress, decompressed

NO_FILES = (tarfile.DIRTYPE, b"V", b"D")
"""Types of members that are no files: folders, GNU tar's volume labels and directory listings."""


class TarShard(MembersShard):
    """All members of one uncompressed tar."""

    def members(self, raw: IO[bytes], *, scan_past_damage: bool = True) -> Iterator[Member | LostMembers]:
        tar_bytes = size_of(raw)
        for found in find_headers(raw, tar_bytes, scan_past_damage=scan_past_damage):
            yield found if isinstance(found, LostMembers) else _member(*found, tar_bytes)

    def content(self, raw: IO[bytes], member: Member, max_bytes: int | None = None) -> bytes:
        size_bytes = member.size_bytes if max_bytes is None else min(max_bytes, member.size_bytes)
        raw.seek(member.offset_bytes)
        content = read_bounded(raw, size_bytes)
        if len(content) < size_bytes:
            raise DamagedMemberError("the archive ends before the end of it")
        return content


def _member(header: tarfile.TarInfo, end_bytes: int, tar_bytes: int) -> Member:
    """``end_bytes`` is the offset of the next header."""
    reason = None
    content_end = end_bytes if header.issparse() else header.offset_data + header.size
    if header.issym() or header.islnk():
        reason = f"link in archive: to {usable_key(header.linkname)[0]}"
    elif header.issparse():
        reason = "sparse member: only parts of it are in the archive; unpack it"
    elif not header.isreg():
        reason = f"not an image: a special file, of type {header.type!r}"
    elif content_end > tar_bytes:
        reason = f"truncated archive: it ends at byte {tar_bytes}, this member at byte {content_end}"
    return Member(
        name=header.name,
        offset_bytes=header.offset_data,
        size_bytes=header.size,
        end_bytes=end_bytes,
        is_file=header.type not in NO_FILES,
        unreadable=reason,
    )


class CompressedTarShard(TarShard):
    """All members of one compressed tar, which is unpacked when it is first read."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive)
        copy = archive.unpack_to / f"{archive.key}.tar"
        self._unpacked = UnpackedFile(archive.path, copy, partial(decompress, archive.path))

    def open(self, *, in_ranges: bool = False) -> IO[bytes]:
        return self._unpacked.open()

    def remove_changed_copy(self) -> None:
        self._unpacked.remove_if_changed()

    def files(self) -> Iterator[FoundFile]:
        self.remove_changed_copy()  # of a killed run
        for file in super().files():
            if file.key != self.archive_key or self._unpacked.damage() is None:
                yield file
        if (damage := self._unpacked.damage()) is not None:
            yield FoundFile(key=self.archive_key, unreadable=damage)

    def peek(self, max_members: int) -> tuple[int, int]:
        """See Peekable. Unpacks the beginning only."""
        files = 0
        try:
            with (
                decompressed(self._path) as (stream, raw),
                tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive,
            ):
                for _ in range(max_members):
                    header = archive.next()
                    if header is None:
                        return files, self.size_bytes or 0
                    files += not self._is_passed_over(_member(header, 0, 0))
                # The stream is buffered: all bytes may be read before the last member is reached.
                return files, min(raw.tell(), (self.size_bytes or 1) - 1)
        except Exception:  # each library raises its own
            return 0, 0
