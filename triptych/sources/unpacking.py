"""Unpacks files once, for random access.

Comes in: a file compressed with gzip, bzip2, xz, zstd or lz4, or any other with a function that unpacks it.
Goes out: its content as a file below the run folder, as captioning reads images in random order. The copy is
written when it is first opened, and again if it was removed or its bytes are not those that were written. Not
its job: what is in it.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import fcntl
import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from triptych.errors import SetupError
from triptych.extras import missing_message
from triptych.sources.regular_files import open_regular, size_and_time_of

BLOCK_BYTES = 64 * 1024

SMALL_BLOCK_BYTES = 512
"""What is lost before the place where a stream is cut off or damaged, at most."""

_NO_MEMBER = ("Not a gzipped file", "Unknown frame descriptor", "frameType_unknown")
"""In the messages of gzip, zstd and lz4 if something else follows the last member."""

MAX_EXPANSION, ALWAYS_UNPACKED_BYTES = 100, 1024**3
"""A file that exceeds both when unpacked is a decompression bomb: images hardly compress."""


def import_pyarrow(path: str) -> Any:
    """pyarrow with pyarrow.parquet, to read ``path``. Raises SetupError if it isn't installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SetupError(
            missing_message("arrow", "pyarrow", what=f"reading {path}", instead="leave it out with --exclude")
        ) from None
    return pyarrow


_COMPRESSIONS: dict[bytes, Callable[[Any], Any] | str] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    **{bytes([n]) + b"\x2a\x4d\x18": "zstd" for n in range(0x50, 0x60)},  # a skippable frame, from pzstd
}
"""What reads a compression, by its first bytes: a function, or pyarrow's name for it."""

COMPRESSED_HEAD_BYTES = 16
"""Enough to recognise every compression."""

OTHER_COMPRESSIONS = (
    b"\x1f\x9d",
    b"\x1f\xa0",
    b"LZIP",
    b"\x89LZO",
    b"\xff\x06\0\0sNaPpY",
    b"\x02\x21\x4c\x18",
)
"""First bytes of compressions that can't be unpacked: two of compress, lzip, lzop, snappy, old lz4."""


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with ``head`` has a compression that can be unpacked."""
    return head.startswith(tuple(_COMPRESSIONS))


@contextlib.contextmanager
def decompressed(path: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A stream of the unpacked content of ``path``, and the compressed file that it reads.

    Raises OSError, and SetupError if the library for it isn't installed.
    """
    with open_regular(path) as raw:
        head = raw.read(COMPRESSED_HEAD_BYTES)
        raw.seek(0)
        opener = next((each for begin, each in _COMPRESSIONS.items() if head.startswith(begin)), None)
        if opener is None:
            yield raw, raw
            return
        if isinstance(opener, str):
            stream = import_pyarrow(path).CompressedInputStream(raw, opener)
        else:
            stream = opener(raw)
        with stream:
            yield stream, raw


class UnpackedFile:
    """The unpacked content of the file ``path``, stored at ``copy``. Safe for threads and processes.

    ``unpack`` writes it, and returns what was wrong if it is incomplete. ``part`` names the part of the file
    that is unpacked, if not all of it. Size and time of the source, the copy's CRC-32 and the damage are
    stored beside the copy. The copy's own time is not used, as not all file systems store it exactly.
    """

    def __init__(
        self, path: str, copy: Path, unpack: Callable[[IO[bytes]], str | None], part: str = ""
    ) -> None:
        self._path, self._copy, self._write_content, self._part = path, copy, unpack, part
        self._note = copy.with_name(f"{copy.name}.source")
        self._intact_file: int | None = None
        """The inode of the copy that was last found to be intact."""

    def open(self) -> IO[bytes]:
        """The copy, unpacked first if needed. Raises OSError, and SetupError if the disk is full."""
        if not self._is_current():
            self._unpack()
        return self._copy.open("rb")

    def damage(self) -> str | None:
        """Why the copy is incomplete; None if it isn't."""
        return self._read_note()[2].decode() or None

    def remove_if_changed(self) -> None:
        """Remove the copy if its bytes are not those that were written. Reads all of it, unless that was done
        before."""
        with contextlib.suppress(FileNotFoundError), self._copy.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode == self._intact_file:
                return
            if _crc32_of(file) == self._read_note()[1]:
                self._intact_file = inode
            elif self._copy.stat().st_ino == inode:  # otherwise another thread has made it again
                self._copy.unlink()

    def _read_note(self) -> tuple[bytes, bytes, bytes]:
        """The source of the copy, its CRC-32, and the damage; all empty if there is no copy."""
        try:
            source, _, rest = self._note.read_bytes().partition(b"\0")
        except FileNotFoundError:
            return b"", b"", b""
        crc32, _, damage = rest.partition(b"\0")
        return source, crc32, damage

    def _source(self) -> bytes:
        size_bytes, modified_ns = size_and_time_of(self._path)
        return f"{size_bytes}\t{modified_ns}\t{self._part}".encode()

    def _is_current(self) -> bool:
        return self._copy.exists() and self._read_note()[0] == self._source()

    def _unpack(self) -> None:
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        part = f"{self._copy}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(part, flags, 0o666), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._is_current():  # another process has unpacked it meanwhile
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part)  # created here after that process had renamed its own
                return
            try:
                self._unpack_to(file, part)
            except BaseException as error:
                file.truncate(0)  # frees its space; the next holder of the lock uses the file
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SetupError(
                        f"no space to unpack {self._path} to {self._copy.parent} ({error.strerror});"
                        " free some, or unpack it to a plain .tar yourself"
                    ) from None
                raise

    def _unpack_to(self, file: IO[bytes], part: str) -> None:
        """The content is synced before it gets its final name, and the note is written after an older copy
        was removed, so a crash leaves no copy rather than a wrong one."""
        source = self._source()
        file.truncate(0)
        damage = self._write_content(file) or ""
        file.flush()
        os.fsync(file.fileno())
        self._copy.unlink(missing_ok=True)
        with self._note.open("wb") as note:
            note.write(b"\0".join((source, _crc32_of(file), damage.encode())))
            note.flush()
            os.fsync(note.fileno())
        os.replace(part, self._copy)


def _crc32_of(file: IO[bytes]) -> bytes:
    """The CRC-32 of all bytes of ``file``, in decimal."""
    file.seek(0)
    crc32 = 0
    while block := file.read(16 * BLOCK_BYTES):
        crc32 = zlib.crc32(block, crc32)
    return str(crc32).encode()


def decompress(path: str, file: IO[bytes]) -> str | None:
    """Write the unpacked content of ``path`` to ``file``. Returns what was wrong if it is incomplete."""
    max_bytes = max(ALWAYS_UNPACKED_BYTES, MAX_EXPANSION * (size_and_time_of(path)[0] or 0))
    error = _write_blocks(path, file, BLOCK_BYTES, max_bytes)
    if error is not None:  # a block before it may be incomplete, and pyarrow returns only whole ones
        error = _write_blocks(path, file, SMALL_BLOCK_BYTES, max_bytes)
    if file.tell() > max_bytes:
        return f"too large: it unpacks to over {max_bytes:,} bytes; unpack it to a plain .tar"
    if error is None or (file.tell() and any(each in error for each in _NO_MEMBER)):  # junk behind the end
        return None
    return f"damaged archive: nothing behind byte {file.tell()} can be unpacked: {error}"


def _write_blocks(path: str, file: IO[bytes], block_bytes: int, max_bytes: int) -> str | None:
    """Append to ``file`` what it lacks of the unpacked content. Returns the error that ended it, if any."""
    with decompressed(path) as (stream, _):
        at = 0
        while at <= max_bytes:
            try:
                block = stream.read(min(BLOCK_BYTES, file.tell() - at) or block_bytes)
            except SetupError:  # the storage
                raise
            except Exception as error:  # each library raises its own
                if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
                    raise
                return str(error)
            if not block:
                return None
            if at == file.tell():
                file.write(block)
            at += len(block)
    return None


@cache
def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Default folder for unpacked files, removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="triptych-")
