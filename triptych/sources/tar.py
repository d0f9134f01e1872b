"""Tar archives as shards: SA-1B's bare ``sa_N.jpg`` + ``sa_N.json``, WebDataset's, and any other plain tar.

Members are read by offset, so an image is found again without walking the archive. An archive that is cut
short or damaged gives every member that is whole, and a record for each place where others are lost.
Not its job: compressed tars, which can't be read by offset.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from triptych.sources.shard import (
    FoundFile,
    is_sidecar,
    member_key,
    size_of,
    usable_key,
    why_not_an_image,
)

SCANNED_AT_ONCE_BYTES = 1024 * 1024


class TarShard:
    """All members of one uncompressed tar. ``name`` is its key prefix."""

    file_count = None

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.archive_key = f"{name}.tar"
        self._path = path
        self.size_bytes = size_of(path)

    def fingerprint(self) -> str:
        return f"{self.archive_key}\t{self.size_bytes}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't a sidecar, in archive order.

        A member name that comes again is listed as unreadable, as its key would not be unique.
        """
        seen: set[str] = set()
        empty = True
        try:
            with open(self._path, "rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
                whole = os.fstat(raw.fileno()).st_size
                for member in _members(archive, raw, whole):
                    empty = False
                    if isinstance(member, _Damage):
                        key = f"{self.archive_key}{f'#{member.offset_bytes}' if member.offset_bytes else ''}"
                        yield FoundFile(key=key, unreadable=member.reason)
                        continue
                    key, reason = self._key(member)
                    if key in seen:
                        reason = "name twice: an earlier member of the archive has this name"
                        key = f"{key}#{member.offset_data}"
                    seen.add(key)
                    end = member.offset_data + member.size
                    if reason is None and end > whole:
                        reason = f"truncated archive: it ends at byte {whole}, this member at byte {end}"
                    if reason is not None:
                        yield FoundFile(key=key, unreadable=reason)
                        continue
                    raw.seek(member.offset_data)
                    content = raw.read(member.size)
                    yield FoundFile(key=key, content=content, offset_bytes=member.offset_data)
            if empty:
                yield FoundFile(key=self.archive_key, unreadable="empty archive: it has no members")
        except tarfile.ReadError as error:
            yield FoundFile(key=self.archive_key, unreadable=_why_not_a_tar(error))
        except OSError as error:
            yield FoundFile(key=self.archive_key, unreadable=f"read error: {error.strerror}")

    def peek(self, most_members: int) -> tuple[int, int]:
        """See Uncounted."""
        files = 0
        try:
            with open(self._path, "rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
                for _ in range(most_members):
                    member = archive.next()
                    if member is None:
                        return files, self.size_bytes or 0
                    files += not (member.isdir() or is_sidecar(member.name))
                return files, archive.offset
        except (OSError, tarfile.ReadError):
            return 0, 0

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if they aren't there any more."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        with open(self._path, "rb") as raw:
            raw.seek(offset_bytes)
            content = raw.read(size_bytes)
        if len(content) < size_bytes:
            raise OSError(f"{self._path} ends before the end of {key}")
        return content

    def _key(self, member: tarfile.TarInfo) -> tuple[str, str | None]:
        """A member's key, and the reason why it is no image."""
        key, reason = member_key(self.name, member.name)
        if reason is not None:
            return key, reason
        if member.issym() or member.islnk():
            return key, f"link in archive: to {usable_key(member.linkname)[0]}"
        if not member.isreg() or member.issparse():
            return key, "not an image: a device, a pipe or a sparse file"
        return key, why_not_an_image(member.name)


def _why_not_a_tar(error: tarfile.ReadError) -> str:
    if str(error) == "empty file":
        return "empty archive: the file has no bytes"
    return f"{'truncated' if 'truncated' in str(error) else 'damaged'} archive: {error}"


class _Damage(NamedTuple):
    """A place of the archive from which members are lost."""

    offset_bytes: int
    reason: str


def _members(archive: tarfile.TarFile, raw: IO[bytes], whole: int) -> Iterator[tarfile.TarInfo | _Damage]:
    """The members that aren't folders or sidecars, and what is wrong with the archive, in its order.

    ``tarfile`` takes a broken header for the end. Here it looks on, which also finds the members
    of archives that were appended to each other, and every stretch that it skipped is examined.
    """
    archive.ignore_zeros = True
    end = 0
    while True:
        try:
            member = archive.next()
        except tarfile.ReadError:  # a member's end, or the second block of its header, is missing
            yield _Damage(end, f"truncated archive: it ends at byte {whole}; later members are lost")
            return
        archive.members = []  # type: ignore[attr-defined]  # else it keeps every header it has read
        begin = member.offset if member is not None else whole
        if begin > end:
            end = _after_global_headers(raw, end)
        if member is None and begin - end < tarfile.BLOCKSIZE:
            yield _Damage(end, f"truncated archive: no end mark at byte {whole}; later members are lost")
        elif _has_content(raw, end, begin):
            yield _Damage(
                end, f"damaged archive: no header at byte {end}; members before byte {begin} are lost"
            )
        if member is None:
            return
        end = member.offset_data + _in_blocks(member.size)
        if not (member.isdir() or is_sidecar(member.name)):
            yield member


def _after_global_headers(raw: IO[bytes], offset_bytes: int) -> int:
    """Where what follows begins, if ``tarfile`` has read headers at ``offset_bytes`` that are no member's."""
    while True:
        raw.seek(offset_bytes)
        try:
            header = tarfile.TarInfo.frombuf(raw.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            return offset_bytes
        if header.type != tarfile.XGLTYPE:
            return offset_bytes
        offset_bytes += tarfile.BLOCKSIZE + _in_blocks(header.size)


def _in_blocks(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _has_content(raw: IO[bytes], begin: int, end: int) -> bool:
    """Whether any byte from ``begin`` to ``end`` isn't zero."""
    raw.seek(begin)
    while (left := end - raw.tell()) > 0:
        block = raw.read(min(left, SCANNED_AT_ONCE_BYTES))
        if not block:
            return False
        if block.strip(b"\0"):
            return True
    return False
