"""Finds the headers of a tar, also of a damaged one.

Comes in: an open tar. Goes out: its headers in order, and a note for each place where members are lost.
tarfile alone takes damage for the end, may raise anything, read the whole rest, or go back; so here it only
reads one header at a given offset. Not its job: what members are.
"""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
from collections.abc import Iterator
from typing import IO

from triptych.errors import SetupError
from triptych.sources.members import LostMembers

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""Of a header with a long name or extended fields. Some programs store texts in these."""

SCAN_BLOCK_BYTES = 1024 * 1024

BLOCK_BYTES = tarfile.BLOCKSIZE

GNU_MAGIC = b"ustar  \0"
_GNU_TIME = re.compile(r"[0-7]{11}/")
"""In incremental archives, GNU tar has a time where POSIX has the beginning of a long name, so tarfile puts
it before the name."""


def find_headers(
    raw: IO[bytes], tar_bytes: int, *, scan_past_damage: bool = True
) -> Iterator[tuple[tarfile.TarInfo, int] | LostMembers]:
    """The headers of the tar in ``raw``, each with the offset of the next one, and what is wrong, in file
    order.

    Headers after damage and after the end mark are found too: tars may be concatenated. Without
    ``scan_past_damage``, a file that doesn't begin with a header isn't searched for one.
    """
    headers = _Headers(raw)
    end = at = 0
    any_member = False
    while at < tar_bytes:
        member = headers.read(at)
        if member is None:
            is_scanned = scan_past_damage or any_member
            at = _next_header(raw, at + BLOCK_BYTES, tar_bytes) if is_scanned else tar_bytes
            continue
        if at > end and _has_content(raw, end, at):
            lost = f"damaged archive: no header at byte {end}; members before byte {at} are lost"
            yield LostMembers(end, lost)
        any_member = True
        yield member
        end = at = member[1]
    if (reason := _damage_at_end(raw, end, tar_bytes, any_member)) is not None:
        yield LostMembers(min(end, tar_bytes), reason)


def _damage_at_end(raw: IO[bytes], end: int, tar_bytes: int, any_member: bool) -> str | None:
    """What is wrong after ``end``, where the last member ends."""
    truncated = f"truncated archive: it ends at byte {tar_bytes}; later members are lost"
    if end > tar_bytes:
        return truncated
    if any_member and tar_bytes - end < BLOCK_BYTES:
        return f"truncated archive: no end mark at byte {tar_bytes}; later members may be lost"
    if not _has_content(
        raw, end, min(end + BLOCK_BYTES, tar_bytes)
    ):  # an end mark: what follows doesn't matter
        return None
    if _Headers(raw).is_cut_off(end):
        return truncated
    if not any_member:
        return "damaged archive: not a tar file"
    return f"damaged archive: no header at byte {end}; members behind it are lost"


class _Headers:
    """Reads the headers of one tar."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._bounded = _Bounded(raw)
        self._tar = tarfile.TarFile(fileobj=io.BytesIO(bytes(2 * BLOCK_BYTES)), errors="surrogateescape")
        self._tar.fileobj = self._bounded  # type: ignore[assignment]

    def read(self, offset_bytes: int) -> tuple[tarfile.TarInfo, int] | None:
        """The header at an offset, and the offset of the next; None if there is no valid header."""
        self._bounded.seek(offset_bytes)
        try:
            header = tarfile.TarInfo.fromtarfile(self._tar)
            end: int = self._tar.offset
        except OSError as error:
            if error.errno is not None:  # the disk, not the archive
                raise
            return None
        except SetupError:  # the storage
            raise
        except Exception:  # tarfile raises anything on damaged bytes
            return None
        if _GNU_TIME.match(header.name) and not header.issparse():
            self._bounded.seek(header.offset_data - BLOCK_BYTES)
            if self._bounded.read(BLOCK_BYTES)[257:265] == GNU_MAGIC:
                header.name = header.name.partition("/")[2]
        is_valid = header.size >= 0 and offset_bytes < header.offset_data <= end
        return (header, end) if is_valid else None

    def is_cut_off(self, offset_bytes: int) -> bool:
        """Whether the file ends within the header at this offset."""
        return self.read(offset_bytes) is None and self._bounded.ran_out


class _Bounded:
    """A file with limited reads, as a damaged header may ask for any number of bytes."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self.tell, self.seek = raw, raw.tell, raw.seek
        self.ran_out = False

    def read(self, size_bytes: int) -> bytes:
        if not 0 <= size_bytes <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size_bytes} bytes")
        content = self._raw.read(size_bytes)
        self.ran_out = self.ran_out or len(content) < size_bytes
        return content


def _next_header(raw: IO[bytes], at: int, tar_bytes: int) -> int:
    """The offset of the first valid header from ``at`` on; ``tar_bytes`` if there is none."""
    while (at := _skip_hole(raw, at, tar_bytes)) < tar_bytes:
        raw.seek(at)
        blocks = raw.read(SCAN_BLOCK_BYTES)
        for begin in range(0, len(blocks) if blocks.strip(b"\0") else 0, BLOCK_BYTES):
            try:
                tarfile.TarInfo.frombuf(blocks[begin : begin + BLOCK_BYTES], "utf-8", "surrogateescape")
            except Exception:  # as above
                continue
            return at + begin
        at += len(blocks) or tar_bytes
    return tar_bytes


def _skip_hole(raw: IO[bytes], at: int, end: int) -> int:
    """``at``, or the end of a hole there: a sparse file may have a terabyte of zeros."""
    try:
        before = os.lseek(raw.fileno(), 0, os.SEEK_CUR)
    except io.UnsupportedOperation:  # a remote file
        return at
    try:
        data = os.lseek(raw.fileno(), at, os.SEEK_DATA)
    except OSError as error:
        return end if error.errno == errno.ENXIO else at
    finally:
        os.lseek(raw.fileno(), before, os.SEEK_SET)  # the buffered reader counts on it
    return at + max(0, data - at) // BLOCK_BYTES * BLOCK_BYTES


def _has_content(raw: IO[bytes], begin: int, end: int) -> bool:
    """Whether any byte from ``begin`` to ``end`` isn't zero."""
    while (begin := _skip_hole(raw, begin, end)) < end:
        raw.seek(begin)
        block = raw.read(min(end - begin, SCAN_BLOCK_BYTES))
        if not block or block.strip(b"\0"):
            return bool(block)
        begin += len(block)
    return False
