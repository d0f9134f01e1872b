"""Reads files of unknown origin safely.

Comes in: paths and URLs. Goes out: bytes. Pipes, devices and huge files are errors with a reason: they don't
hang or kill a run. Not its job: what the bytes are, how URLs are read (see remote_file).
"""

from __future__ import annotations

import os
import stat
from typing import IO, Any, cast

from triptych.sources.remote_file import RemoteFile
from triptych.sources.remote_storage import is_url, read_whole_object, size_and_version

MAX_FILE_BYTES = 2 * 1024**3
"""Of an image: 400 million uncompressed pixels of 16 bits a channel."""

MAX_TEXT_FILE_BYTES = 1024 * 1024
"""Of a sidecar: SA-1B's .json files, with all masks, have some hundred thousand."""

READ_ERROR = "read error"
"""Prefix of reasons that may be temporary: the file is tried again by the next run."""

_SPECIAL_FILES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class UnreadableFileError(OSError):
    """A file that won't be read. The message is the reason to record."""


def why_not_read(error: OSError | MemoryError) -> str:
    """The reason to record for a file that could not be read."""
    if isinstance(error, UnreadableFileError):
        return str(error)
    if isinstance(error, MemoryError):
        return "too large: there is not enough memory for it"
    return f"{READ_ERROR}: {error.strerror or error}"


def open_regular(path: str, *, in_ranges: bool = False) -> IO[bytes]:
    """Open ``path`` for reading. A URL is read from beginning to end, or here and there if ``in_ranges``.

    Raises OSError, UnreadableFileError if it is not a regular file, and UnreachableError.
    """
    if is_url(path):
        return cast(IO[bytes], RemoteFile(path, in_ranges=in_ranges))
    kind = _SPECIAL_FILES.get(stat.S_IFMT(os.stat(path).st_mode))
    if kind is not None:  # checked before opening, as opening a pipe blocks
        raise UnreadableFileError(f"not an image: {kind}")
    return open(path, "rb")


def size_of(file: IO[bytes] | Any) -> int:
    """In bytes, of a file from ``open_regular``."""
    return file.size if isinstance(file, RemoteFile) else os.fstat(file.fileno()).st_size


def read_regular(path: str, size_bytes: int | None = None) -> bytes:
    """The content of ``path``. Raises as ``open_regular`` does, and UnreadableFileError if it is too large.

    With ``size_bytes``, from a listing, an object in storage takes one request instead of two.
    """
    was_tried = size_bytes is not None and size_bytes <= MAX_FILE_BYTES and is_url(path)
    if was_tried and (content := read_whole_object(path)) is not None:
        return content
    with open_regular(path, in_ranges=not was_tried) as file:  # in blocks if one request didn't succeed
        return read_bounded(file, size_of(file))


def read_bounded(file: IO[bytes], size_bytes: int) -> bytes:
    """The next ``size_bytes`` of ``file``, or fewer at its end. Raises UnreadableFileError if too many."""
    if size_bytes > MAX_FILE_BYTES:
        raise UnreadableFileError(f"too large: {size_bytes:,} bytes; at most {MAX_FILE_BYTES:,} are read")
    return file.read(max(0, size_bytes))


def read_head(path: str, size_bytes: int) -> bytes:
    """The first bytes of ``path``. Raises as ``open_regular`` does."""
    with open_regular(path, in_ranges=True) as file:
        return file.read(min(size_bytes, size_of(file)))


SizeAndTime = tuple[int | None, int]
"""Bytes, or None if unknown, and time of change in ns, or a URL's version (see remote_storage.version_of)."""


def size_and_time_of(path: str) -> SizeAndTime:
    """Size and time of change, or (None, 0) if the file doesn't exist."""
    if is_url(path):
        return size_and_version(path)
    try:
        found = os.stat(path)
    except OSError:
        return None, 0
    return found.st_size, found.st_mtime_ns
