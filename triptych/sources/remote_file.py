"""A file in object storage, open to be read: through all of it, or here and there.

Comes in: a URL. Goes out: what ``open`` gives of a local file. Reading through fetches a block ahead while
the one before is worked on, and holds three; reading here and there fetches what is asked for and a little
more. Where a connection drops, reading goes on from where it was, in smaller blocks; a file that was replaced
meanwhile is an error, not half of each. Not its job: when to try again (see remote_storage).
"""

from __future__ import annotations

import errno
import io
from typing import Any

from triptych.sources.remote_storage import (
    ChangedObjectError,
    filesystem,
    info_of,
    is_web,
    persistently,
    version_of,
)

BLOCK_BYTES, HELD_BLOCKS = 8 * 1024**2, 3
"""To read through."""

LEAST_BLOCK_BYTES = 512 * 1024
"""Where connections don't last for more: each failure halves the block."""

RANGE_AHEAD_BYTES = 32 * 1024
"""To read here and there: a zip's header and what it is of come together."""

_THROUGH = {"cache_type": "background", "cache_options": {"maxblocks": HELD_BLOCKS}}
_IN_RANGES = {"cache_type": "readahead"}


class RemoteFile(io.RawIOBase):
    """For one thread. Raises OSError where it is gone or was replaced, UnreachableError."""

    def __init__(self, url: str, *, in_ranges: bool) -> None:
        self._url, self._options = url, _IN_RANGES if in_ranges else _THROUGH
        self._block_bytes = RANGE_AHEAD_BYTES if in_ranges else BLOCK_BYTES
        self._at = 0
        self._file: Any = None
        self.size: int = 0
        self._version: int | None = None
        persistently(url, self._open)

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
        """The next ``size`` bytes, or what there is of them; less at the end only."""
        left = max(0, self.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        content = persistently(self._url, lambda: self._read(wanted)) if wanted else b""
        self._at += wanted
        return content

    def _read(self, wanted: int) -> bytes:
        try:
            if self._file is None:
                self._open()
            self._file.seek(self._at)
            # Blocks one by one: of a read of more than it holds, fsspec fetches all twice.
            step = wanted if self._options is _IN_RANGES else self._block_bytes
            content = b"".join(self._file.read(min(step, wanted - at)) for at in range(0, wanted, step))
            if len(content) < wanted:
                raise OSError(errno.EIO, "the connection broke off")
            return content
        except BaseException:
            self._file = None  # it may go on failing
            self._block_bytes = min(self._block_bytes, max(LEAST_BLOCK_BYTES, self._block_bytes // 2))
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
