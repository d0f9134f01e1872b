"""Tar archives as shards: SA-1B's bare ``sa_N.jpg`` + ``sa_N.json``, WebDataset's, and any other plain tar.

Members are read by offset, so an image is found again without walking the archive; a compressed one is
unpacked for that. An archive that is cut short or damaged gives every member that is whole, and a record for
each place where others are lost. Not its job: where headers are (see tar_headers).
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO

from triptych.sources.file_names import is_passed_over, member_key, says_nothing, usable_key, why_not_an_image
from triptych.sources.image_format import HEAD_BYTES
from triptych.sources.regular_files import (
    MAX_TEXT_FILE_BYTES,
    modified_ns_of,
    open_regular,
    read_bounded,
    read_head,
    size_of,
    why_not_read,
)
from triptych.sources.shard import Archive, FoundFile, Shard, UnreadableArchive
from triptych.sources.tar_headers import LostMembers, TarMember, members_of
from triptych.sources.unpacking import UnpackedFile, decompress, decompressed, is_compressed

NO_FILES = (b"V", b"D")
"""GNU tar's names of archives, and its lists of folders."""


class TarShard:
    """All members of one uncompressed tar."""

    file_count = None

    def __init__(self, archive: Archive) -> None:
        self.name, self.archive_key = archive.name, archive.key
        self._path, self._chosen = archive.path, archive.chosen
        self.size_bytes, self._modified_ns = size_of(archive.path), modified_ns_of(archive.path)

    def fingerprint(self) -> str:
        return f"{self.archive_key}\t{self.size_bytes}{self._chosen.described()}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't passed over, in archive order.

        A member name that comes again is listed as unreadable, as its key would not be unique.
        """
        seen: set[str] = set()
        try:
            with self.open() as raw:
                whole = os.fstat(raw.fileno()).st_size
                if whole == 0:
                    yield FoundFile(key=self.archive_key, unreadable="empty archive: the file has no bytes")
                    return
                members = listed = 0
                for member in members_of(raw, whole):
                    members += 1
                    if isinstance(member, LostMembers):
                        at = f"#{member.offset_bytes}" if member.offset_bytes else ""
                        file = FoundFile(key=f"{self.archive_key}{at}", unreadable=member.reason)
                    elif self._is_passed_over(member.header):
                        continue
                    else:
                        file = self._found(raw, whole, member, seen)
                    listed += 1
                    yield file
            if not listed:
                what = f"none of its {members:,} members can be an image" if members else "it has no members"
                yield FoundFile(key=self.archive_key, unreadable=f"empty archive: {what}")
        except (OSError, MemoryError) as error:
            yield FoundFile(key=self.archive_key, unreadable=why_not_read(error))

    def peek(self, most_members: int) -> tuple[int, int]:
        """See Uncounted."""
        files = end = count = 0
        try:
            with self.open() as raw:
                for member in members_of(raw, os.fstat(raw.fileno()).st_size, look_on=False):
                    if count == most_members or isinstance(member, LostMembers):
                        return files, end
                    files += not self._is_passed_over(member.header)
                    count, end = count + 1, member.end
                return files, self.size_bytes or 0
        except (OSError, MemoryError):
            return 0, 0

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if they aren't there any more."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        with self.open() as raw:
            raw.seek(offset_bytes)
            content = read_bounded(raw, size_bytes)
        if len(content) < size_bytes:
            raise OSError(f"{self._path} ends before the end of {key}")
        return content

    def open(self) -> IO[bytes]:
        """The tar, as it is walked through. Raises OSError."""
        return open_regular(self._path)

    def files_beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """See texts.WithFilesBeside."""
        try:
            with self.open() as raw:
                for member in members_of(raw, os.fstat(raw.fileno()).st_size):
                    if isinstance(member, LostMembers) or not member.header.isreg():
                        continue
                    header = member.header
                    if header.name.lower().endswith(suffix) and header.size <= MAX_TEXT_FILE_BYTES:
                        raw.seek(header.offset_data)
                        yield member_key(self.name, header.name)[0], raw.read(header.size)
        except (OSError, MemoryError):
            return

    def _is_passed_over(self, member: tarfile.TarInfo) -> bool:
        if member.isdir() or member.type in NO_FILES or is_passed_over(member.name):
            return True
        return self._chosen.leaves_out(member_key(self.name, member.name)[0])

    def _found(self, raw: IO[bytes], whole: int, member: TarMember, seen: set[str]) -> FoundFile:
        """``seen`` are the keys of the members before; this one's is added."""
        header = member.header
        key, reason = self._key(header)
        if key in seen:
            reason = "name twice: an earlier member of the archive has this name"
            key = f"{key}#{header.offset_data}"
        seen.add(key)
        if reason is None and member.end_of_content > whole:
            reason = (
                f"truncated archive: it ends at byte {whole}, this member at byte {member.end_of_content}"
            )
        if reason is None and says_nothing(header.name):
            raw.seek(header.offset_data)
            reason = why_not_an_image(header.name, raw.read(min(header.size, HEAD_BYTES)))
        if reason is not None:
            return FoundFile(key=key, unreadable=reason)
        raw.seek(header.offset_data)
        try:
            content = read_bounded(raw, header.size)
        except (OSError, MemoryError) as error:
            return FoundFile(key=key, unreadable=why_not_read(error))
        return FoundFile(key=key, content=content, offset_bytes=header.offset_data)

    def _key(self, member: tarfile.TarInfo) -> tuple[str, str | None]:
        """A member's key, and the reason why it can't be read, whatever is in it."""
        key, reason = member_key(self.name, member.name)
        if reason is not None:
            return key, reason
        if member.issym() or member.islnk():
            return key, f"link in archive: to {usable_key(member.linkname)[0]}"
        if member.issparse():
            return key, "sparse member: only parts of it are in the archive; unpack it"
        if not member.isreg():
            return key, f"not an image: a device or a pipe, of type {member.type!r}"
        return key, None if says_nothing(member.name) else why_not_an_image(member.name)


class CompressedTarShard(TarShard):
    """All members of one compressed tar, which is unpacked when it is gone through."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive)
        copy = archive.unpack_to / f"{archive.key}.tar"
        self._unpacked = UnpackedFile(archive.path, copy, partial(decompress, archive.path))

    def open(self) -> IO[bytes]:
        return self._unpacked.open()

    def files(self) -> Iterator[FoundFile]:
        for file in super().files():
            if file.key != self.archive_key or self._unpacked.damage() is None:
                yield file
        if (damage := self._unpacked.damage()) is not None:
            yield FoundFile(key=self.archive_key, unreadable=damage)

    def peek(self, most_members: int) -> tuple[int, int]:
        """Unpacks the beginning only."""
        files = 0
        try:
            with (
                decompressed(self._path) as (stream, raw),
                tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive,
            ):
                for _ in range(most_members):
                    member = archive.next()
                    if member is None:
                        return files, self.size_bytes or 0
                    files += not self._is_passed_over(member)
                return files, raw.tell()
        except Exception:  # each library raises its own
            return 0, 0


def open_compressed_tar(archive: Archive) -> Sequence[Shard] | str:
    """The one shard of a file that is compressed, or called as if it were."""
    try:
        head = read_head(archive.path, 8)
    except OSError as error:
        return [UnreadableArchive(archive, why_not_read(error))]
    if is_compressed(head):
        return [CompressedTarShard(archive)]
    if not head:
        return [UnreadableArchive(archive, "empty archive: the file has no bytes")]
    if head.startswith((b"\x1f\x9d", b"LZIP", b"\x89LZO")) or archive.path.lower().endswith(".br"):
        return "compressed tar: its kind of compression can't be read; unpack it to a plain .tar"
    return [UnreadableArchive(archive, "damaged archive: neither a tar nor compressed")]
