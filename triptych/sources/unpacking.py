"""Compressed files, unpacked once below the run folder.

Comes in: a file compressed with gzip, bzip2, xz, zstd or lz4, or any other and how it is unpacked. Goes out:
its content as a file in which any place can be read, as captioning reads images in another order than they
lie in. It is written when it is opened for the first time, and again where it has been removed. Not its job:
what is in it.
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
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from triptych.errors import SetupError
from triptych.extras import missing_line
from triptych.sources.regular_files import open_regular, size_and_time_of

READ_AT_ONCE_BYTES = 64 * 1024
"""Where a stream breaks off, up to so many bytes before that are lost."""

MAX_EXPANSION, ALWAYS_UNPACKED_BYTES = 100, 1024**3
"""What unpacks to more than so many times its size, and is larger than this, is a bomb: images hardly get
smaller by compression."""


def import_pyarrow(path: str) -> Any:
    """pyarrow, with its parquet. Raises SetupError where it isn't installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SetupError(
            missing_line("arrow", "pyarrow", what=f"reading {path}", instead="leave it out with --exclude")
        ) from None
    return pyarrow


_COMPRESSIONS: dict[bytes, Callable[[Any], Any] | str] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    **{bytes([n]) + b"\x2a\x4d\x18": "zstd" for n in range(0x50, 0x60)},  # pzstd begins so: a frame to skip
}
"""How each begins, and what reads it: pyarrow by its name for it."""


COMPRESSED_HEAD_BYTES = 16
"""As many as tell every compression."""
OTHER_COMPRESSIONS = (b"\x1f\x9d", b"\x1f\xa0", b"LZIP", b"\x89LZO", b"\xff\x06\0\0sNaPpY")
"""How files begin that nothing here unpacks: of compress, in two ways, lzip, lzop, snappy."""


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is compressed in a way that can be read."""
    return head.startswith(tuple(_COMPRESSIONS))


@contextlib.contextmanager
def decompressed(path: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """What ``path`` unpacks to, as a stream, and the file that it is read from.

    Raises OSError, and SetupError where the library for it isn't installed.
    """
    with open_regular(path) as raw:
        head = raw.read(COMPRESSED_HEAD_BYTES)
        raw.seek(0)
        opened = next((each for begin, each in _COMPRESSIONS.items() if head.startswith(begin)), None)
        if opened is None:
            yield raw, raw
            return
        if isinstance(opened, str):
            stream = import_pyarrow(path).CompressedInputStream(raw, opened)
        else:
            stream = opened(raw)
        with stream:
            yield stream, raw


class UnpackedFile:
    """The content of the file ``path``, as ``unpack`` writes it, which returns why that isn't all. ``part``
    says what of it, where that isn't all either. For any number of threads and processes.

    What the copy was made of is written beside it. Its own time can't say so: some file systems keep coarser
    ones, or none that is set.
    """

    def __init__(
        self, path: str, copy: Path, unpack: Callable[[IO[bytes]], str | None], part: str = ""
    ) -> None:
        self._path, self._copy, self._write, self._part_of_it = path, copy, unpack, part
        self._damage = copy.with_name(f"{copy.name}.damage")
        self._made_of = copy.with_name(f"{copy.name}.source")

    def open(self) -> IO[bytes]:
        """Raises OSError, SetupError where there is no room for it."""
        if not self._is_there():
            self._unpack()
        return self._copy.open("rb")

    def damage(self) -> str | None:
        """Why what was unpacked is not all of it."""
        return self._damage.read_text("utf-8") if self._damage.exists() else None

    def _source(self) -> str:
        size_bytes, modified_ns = size_and_time_of(self._path)
        return f"{size_bytes}\t{modified_ns}\t{self._part_of_it}"

    def _is_there(self) -> bool:
        try:
            return self._copy.exists() and self._made_of.read_bytes() == self._source().encode()
        except FileNotFoundError:
            return False

    def _unpack(self) -> None:
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        part = f"{self._copy}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(part, flags, 0o666), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._is_there():  # another process has made it meanwhile
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part)  # made here, behind its back
                return
            try:
                self._unpack_to(file, part)
            except BaseException as error:
                file.truncate(0)  # it would keep its room; whoever waits for the lock goes on with it
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SetupError(
                        f"no room to unpack {self._path} to {self._copy.parent} ({error.strerror});"
                        " free some, or unpack it to a plain .tar yourself"
                    ) from None
                raise

    def _unpack_to(self, file: IO[bytes], part: str) -> None:
        """Its bytes are on disk before it has the name by which it is taken for whole. What is said of it is
        written when an older copy is gone: a process that dies here leaves none, not a wrong one."""
        source = self._source()
        file.truncate(0)
        damage = self._write(file)
        file.flush()
        os.fsync(file.fileno())
        self._copy.unlink(missing_ok=True)
        self._damage.unlink(missing_ok=True)
        if damage is not None:
            _write_note(self._damage, damage)
        _write_note(self._made_of, source)
        os.replace(part, self._copy)


def _write_note(path: Path, text: str) -> None:
    with path.open("wb") as note:
        note.write(text.encode())
        note.flush()
        os.fsync(note.fileno())


def decompress(path: str, file: IO[bytes]) -> str | None:
    """Write what ``path`` unpacks to. Returns why it isn't all, where something is wrong with it."""
    most_bytes = max(ALWAYS_UNPACKED_BYTES, MAX_EXPANSION * (size_and_time_of(path)[0] or 0))
    with decompressed(path) as (stream, _):
        read = getattr(stream, "read1", stream.read)  # gives what is there before what is damaged
        while True:
            try:
                block = read(READ_AT_ONCE_BYTES)
            except SetupError:  # the storage
                raise
            except Exception as error:  # each library raises its own
                if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
                    raise
                return f"damaged archive: nothing behind byte {file.tell()} can be unpacked: {error}"
            if not block:
                return None
            file.write(block)
            if file.tell() > most_bytes:
                return f"too large: it unpacks to over {most_bytes:,} bytes; unpack it to a plain .tar"


@cache
def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """For those who name no folder: gone when the process ends."""
    return tempfile.TemporaryDirectory(prefix="triptych-")
