"""Reading files that anybody may have put there.

Comes in: paths, and URLs in their place. Goes out: bytes, no more than a file has and than memory should
hold. A pipe that nobody writes to, an endless device and a file of a terabyte are errors with a reason, not a
run that hangs or dies. Not its job: what the bytes are, how URLs are read (see remote_file).
"""

from __future__ import annotations

import os
import stat
from typing import IO, Any, cast

from triptych.sources.remote_file import RemoteFile
from triptych.sources.remote_storage import is_url, read_at_once, size_and_version

MAX_FILE_BYTES = 2 * 1024**3
"""Of an image: what 400 million pixels have at 16 bits a colour, not compressed."""

MAX_TEXT_FILE_BYTES = 1024 * 1024
"""Of a file with what is said of an image: SA-1B's .json with all its masks has some hundred thousand."""

READ_ERROR = "read error"
"""Begins the reason of what could not be read that time, and may be the next."""

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


class UnreadableFileError(OSError):
    """A file that isn't read: the reason that its record keeps."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def why_not_read(error: OSError | MemoryError) -> str:
    """The reason that a record keeps of a file that could not be read."""
    if isinstance(error, UnreadableFileError):
        return error.reason
    if isinstance(error, MemoryError):
        return "too large: there is not enough memory for it"
    return f"{READ_ERROR}: {error.strerror or error}"


def open_regular(path: str, *, in_ranges: bool = False) -> IO[bytes]:
    """``path`` to read: from its beginning to its end, or ``in_ranges``, which matters where it is a URL.

    Raises OSError, UnreadableFileError for what is no file but has a name like one; UnreachableError.
    """
    if is_url(path):
        return cast(IO[bytes], RemoteFile(path, in_ranges=in_ranges))
    mode = os.stat(path).st_mode  # before it is opened, which a pipe would wait in
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise UnreadableFileError(f"not an image: {kind}")
    return open(path, "rb")


def size_of(file: IO[bytes] | Any) -> int:
    """Of a file that ``open_regular`` has opened."""
    return file.size if isinstance(file, RemoteFile) else os.fstat(file.fileno()).st_size


def read_regular(path: str, size_bytes: int | None = None) -> bytes:
    """All that ``path`` holds, as far as its size says. Raises OSError as above, or as it is too large.

    ``size_bytes``: as listed, where it was. What is in object storage is then one request, not two.
    """
    tried = size_bytes is not None and size_bytes <= MAX_FILE_BYTES and is_url(path)
    if tried and (content := read_at_once(path)) is not None:
        return content
    with open_regular(path, in_ranges=not tried) as file:  # in blocks where it didn't come at once
        return read_bounded(file, size_of(file))


def read_bounded(file: IO[bytes], size_bytes: int) -> bytes:
    """The next ``size_bytes`` of ``file``, or what there is of them."""
    if size_bytes > MAX_FILE_BYTES:
        raise UnreadableFileError(f"too large: {size_bytes:,} bytes; at most {MAX_FILE_BYTES:,} are read")
    return file.read(max(0, size_bytes))


def read_head(path: str, size_bytes: int) -> bytes:
    """The first bytes of ``path``. Raises OSError as above."""
    with open_regular(path, in_ranges=True) as file:
        return file.read(min(size_bytes, size_of(file)))


SizeAndTime = tuple[int | None, int]
"""In bytes, or None; in ns, or what stands for it."""


def size_and_time_of(path: str) -> SizeAndTime:
    """In bytes, and when the file was last changed, in ns; None, 0 where it isn't there or leads nowhere.

    In place of a time, a URL has the number of a version (see remote_storage.version_of).
    """
    if is_url(path):
        return size_and_version(path)
    try:
        stat = os.stat(path)
    except OSError:
        return None, 0
    return stat.st_size, stat.st_mtime_ns
