"""The headers of a tar, whatever was done to it.

Comes in: an open tar. Goes out: its members in order, and a note for each stretch in which others are lost.
The library reads one header where it is told to; here is decided where. It takes what it can't read for the
end, and much of it makes it raise anything at all, read all that is left, or go back. Not its job: what
members are.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
from collections.abc import Iterator
from typing import IO

from triptych.errors import SetupError
from triptych.sources.members import LostMembers

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""Of a long name or of further fields. Most have some thousand bytes; some programs put texts there."""

SCANNED_AT_ONCE_BYTES = 1024 * 1024

BLOCK_BYTES = tarfile.BLOCKSIZE


def members_of(
    raw: IO[bytes], whole: int, *, look_on: bool = True
) -> Iterator[tuple[tarfile.TarInfo, int] | LostMembers]:
    """The members of the tar in ``raw``, of ``whole`` bytes, each with where the next header is, and what is
    wrong with it, in its order.

    It looks on behind a broken header and behind the end mark, which finds the members of archives that were
    appended to each other. Without ``look_on`` what doesn't begin as a tar is not searched for one.
    """
    headers = _Headers(raw)
    end = at = 0
    any_member = False
    while at < whole:
        member = headers.read(at)
        if member is None:
            at = _next_header(raw, at + BLOCK_BYTES, whole) if look_on or any_member else whole
            continue
        if at > end and _has_content(raw, end, at):
            lost = f"damaged archive: no header at byte {end}; members before byte {at} are lost"
            yield LostMembers(end, lost)
        any_member = True
        yield member
        end = at = member[1]
    if (reason := _why_not_whole(raw, end, whole, any_member)) is not None:
        yield LostMembers(min(end, whole), reason)


def _why_not_whole(raw: IO[bytes], end: int, whole: int, any_member: bool) -> str | None:
    """What is wrong with a tar of ``whole`` bytes whose last member has its end at ``end``."""
    cut = f"truncated archive: it ends at byte {whole}; later members are lost"
    if end > whole:
        return cut
    if any_member and whole - end < BLOCK_BYTES:
        return f"truncated archive: no end mark at byte {whole}; later members may be lost"
    if not _has_content(raw, end, min(end + BLOCK_BYTES, whole)):  # what is behind an end mark is no matter
        return None
    if _Headers(raw).reaches_the_end(end):
        return cut
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
        """The member whose headers begin there, and its end; None where none do, or they make no sense."""
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
        except Exception:  # it raises anything on damaged bytes
            return None
        sound = header.size >= 0 and offset_bytes < header.offset_data <= end
        return (header, end) if sound else None

    def reaches_the_end(self, offset_bytes: int) -> bool:
        """Whether the headers that begin there go on behind the end of the file."""
        return self.read(offset_bytes) is None and self._bounded.ran_out


class _Bounded:
    """A file of which no header can ask for more than headers have."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self.tell, self.seek = raw, raw.tell, raw.seek
        self.ran_out = False

    def read(self, size_bytes: int) -> bytes:
        if not 0 <= size_bytes <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size_bytes} bytes")
        content = self._raw.read(size_bytes)
        self.ran_out = self.ran_out or len(content) < size_bytes
        return content


def _next_header(raw: IO[bytes], at: int, whole: int) -> int:
    """Where the first block from ``at`` on is that looks like a header; ``whole`` where none does."""
    while (at := _skip_hole(raw, at, whole)) < whole:
        raw.seek(at)
        stretch = raw.read(SCANNED_AT_ONCE_BYTES)
        for begin in range(0, len(stretch) if stretch.strip(b"\0") else 0, BLOCK_BYTES):
            try:
                tarfile.TarInfo.frombuf(stretch[begin : begin + BLOCK_BYTES], "utf-8", "surrogateescape")
            except Exception:  # as above
                continue
            return at + begin
        at += len(stretch) or whole
    return whole


def _skip_hole(raw: IO[bytes], at: int, whole: int) -> int:
    """Where the file has bytes again: of a sparse one of a terabyte, not every zero is read."""
    try:
        before = os.lseek(raw.fileno(), 0, os.SEEK_CUR)
    except io.UnsupportedOperation:  # it isn't on this machine
        return at
    try:
        data = os.lseek(raw.fileno(), at, os.SEEK_DATA)
    except OSError as error:
        return whole if error.errno == errno.ENXIO else at
    finally:
        os.lseek(raw.fileno(), before, os.SEEK_SET)  # what is buffered doesn't know that it was moved
    return at + max(0, data - at) // BLOCK_BYTES * BLOCK_BYTES


def _has_content(raw: IO[bytes], begin: int, end: int) -> bool:
    """Whether any byte from ``begin`` to ``end`` isn't zero."""
    while (begin := _skip_hole(raw, begin, end)) < end:
        raw.seek(begin)
        block = raw.read(min(end - begin, SCANNED_AT_ONCE_BYTES))
        if not block or block.strip(b"\0"):
            return bool(block)
        begin += len(block)
    return False
