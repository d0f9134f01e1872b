"""A remote file, opened for reading.

Comes in: a URL. Goes out: a file object. Sequential reading prefetches the next block, and keeps three;
random access fetches what is asked for and a little more. After a dropped connection, reading continues in
smaller blocks; if the file was replaced meanwhile, that is an error. Not its job: retries (see
remote_storage).
"""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Iterator
from typing import Any

from triptych.sources.remote_storage import (
    ChangedObjectError,
    filesystem,
    info_of,
    is_web,
    version_of,
    with_retries,
)

BLOCK_BYTES, CACHED_BLOCKS = 8 * 1024**2, 3
"""For sequential reading."""

MIN_BLOCK_BYTES = 512 * 1024
"""Each failed read halves the block size, down to this."""

RANGE_AHEAD_BYTES = 32 * 1024
"""For random access: so a member of a zip comes together with its header."""

_SEQUENTIAL = {"cache_type": "background", "cache_options": {"maxblocks": CACHED_BLOCKS}}
_IN_RANGES = {"cache_type": "readahead"}


class RemoteFile(io.RawIOBase):
    """Not thread-safe. Raises OSError if the file is gone or was replaced, and UnreachableError."""

    def __init__(self, url: str, *, in_ranges: bool) -> None:
        self._url, self._options = url, _IN_RANGES if in_ranges else _SEQUENTIAL
        self._block_bytes = RANGE_AHEAD_BYTES if in_ranges else BLOCK_BYTES
        self._at = 0
        self._file: Any = None
        self.size: int = 0
        self._version: int | None = None
        self._large = bytearray()
        with_retries(url, self._open)

    def _open(self) -> None:
        files, path = filesystem(self._url)
        file = files.open(path, "rb", block_size=self._block_bytes, **self._options)
        size, version = file.size, version_of(info_of(self._url) if is_web(self._url) else file.details)
        if size is None:
            raise ValueError("the server doesn't say how large it is")
        if self._version is not None and (size, version) != (self.size, self._version):
            raise ChangedObjectError(self._url)
        self._file, self.size, self._version = file, size, version

    def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` bytes; fewer only at the end."""
        wanted = self._available(size)
        content = with_retries(self._url, lambda: b"".join(self._blocks(wanted))) if wanted else b""
        self._at += wanted
        return content

    def read_buffer(self, size: int) -> bytes | memoryview:
        """``read`` for pyarrow, which calls this instead if it exists.

        Reads of more than a block share one buffer, unless the result before is still referenced. A row
        group's images are one page of 100 MB, and new memory for each page costs 0.9 ms of CPU time per MB: a
        tenth of embedding an image on two cores (benchmarks/object_storage.py).
        """
        wanted = self._available(size)
        if wanted <= BLOCK_BYTES:
            return self.read(wanted)
        buffer = memoryview(self._shared_buffer(wanted))[:wanted]
        with_retries(self._url, lambda: self._fill(buffer))
        self._at += wanted
        return buffer

    def _available(self, size: int | None) -> int:
        left = max(0, self.size - self._at)
        return left if size is None or size < 0 else min(size, left)

    def _shared_buffer(self, size: int) -> bytearray:
        with contextlib.suppress(IndexError):  # it is empty
            try:
                self._large.pop()  # raises BufferError while a memoryview of it exists
                self._large.append(0)  # in this order, its memory stays where it is
            except BufferError:
                self._large = bytearray()
        if len(self._large) < size:
            self._large = bytearray(size)
        return self._large

    def _fill(self, buffer: memoryview) -> None:
        at = 0
        for block in self._blocks(len(buffer)):
            buffer[at : at + len(block)] = block
            at += len(block)

    def _blocks(self, wanted: int) -> Iterator[bytes]:
        """The next ``wanted`` bytes, block by block: fsspec fetches a read that exceeds its cache twice."""
        try:
            if self._file is None:
                self._open()
            self._file.seek(self._at)
            step = wanted if self._options is _IN_RANGES else self._block_bytes
            for at in range(0, wanted, step):
                block = self._file.read(min(step, wanted - at))
                if len(block) < min(step, wanted - at):
                    raise OSError(errno.EIO, "the connection broke off")
                yield block
        except BaseException:
            self._file = None  # opened anew by the next try
            self._block_bytes = min(self._block_bytes, max(MIN_BLOCK_BYTES, self._block_bytes // 2))
            raise

    def readinto(self, buffer: Any, /) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file = None
        super().close()
