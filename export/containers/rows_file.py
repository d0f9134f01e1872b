"""Writes and hashes one file of rows.

Comes in: JSON lines, many at a time. Goes out: a file on disk, its size and checksum. Not its job: the
content of rows, the final name of the file.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import CaptionedFiles

WRITE_BACK_BYTES = 32 * 1024 * 1024
"""How much is flushed to disk at a time, while more rows are made. By itself Linux begins when a tenth of the
memory is dirty, and allocates new memory for every page: 1.6 µs a kilobyte instead of 0.3."""

_CHUNK_BYTES = 1024 * 1024
"""Small enough to be written from the processor's cache after hashing."""


class HashedFile:
    """A file for writing that knows its size and SHA-256. Has the methods that pyarrow needs."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = self._handed_over_bytes = 0
        self.closed = False
        self._is_given_up = False

    def give_up(self) -> None:
        """Ignore further writes, such as a library's footer for a file that is thrown away."""
        self._is_given_up = True

    def write(self, content: bytes) -> int:
        if self._is_given_up:
            return len(content)
        for start in range(0, len(content), _CHUNK_BYTES):
            self._write(memoryview(content)[start : start + _CHUNK_BYTES])
        return len(content)

    def _write(self, content: memoryview) -> None:
        self._digest.update(content)
        written = self._file.write(content)
        while written < len(content):  # a nearly full disk takes only a part
            written += self._file.write(content[written:])
        self.size_bytes += len(content)
        if self.size_bytes - self._handed_over_bytes >= WRITE_BACK_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        """Begin to flush what is not on disk yet, and free the page cache of what is."""
        os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._handed_over_bytes = self.size_bytes

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class RowsFile:
    """A file of rows in one of the containers."""

    def __init__(self, path: Path, file_type: str, row_type: type[msgspec.Struct]) -> None:
        """``path`` may be the null device, to find out a size without writing anything."""
        self._file = path.open("wb", buffering=0)
        self._hashed = HashedFile(self._file)
        try:
            self._container = CONTAINERS[file_type].open(self._hashed, row_type)
        except BaseException:
            self._file.close()
            raise

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        """Add rows, with the files of each if the container includes images. Raises OSError, for example on a
        full disk."""
        self._container.write(lines, files)

    def close(self) -> None:
        """Finish the file. Everything is on disk when this returns."""
        self._container.close()
        if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            os.fsync(self._file.fileno())

    @property
    def size_bytes(self) -> int:
        return self._hashed.size_bytes

    @property
    def sha256(self) -> str:
        return self._hashed.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
            else:
                self._hashed.give_up()
        finally:
            self._file.close()
