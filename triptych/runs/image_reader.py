"""Reads the bytes of a run's images from its sources.

Comes in: a run, the shards of its sources. Goes out: the bytes of an image, or an error that tells whether
the image is at fault or the machine, which would affect every image. Not its job: decoding images.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial

from triptych.errors import SetupError, UnreadableImageError
from triptych.jobs import Job
from triptych.records import ImageRecord, content_hash
from triptych.runs.context import RunContext
from triptych.sources.remote_storage import ChangedObjectError, is_url
from triptych.sources.shard import HasCopy, Shard

_MACHINE_ERRORS = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
        *(errno.ETIMEDOUT, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED, errno.ECONNREFUSED),
        *(errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
"""Errors of a disk, a mount or a limit, which don't depend on the file that is read."""

Read = Callable[[Job, str, ImageRecord], bytes]
"""Reads an image of a job's target in a shard. Raises OSError if it is missing. Thread-safe."""


def reader_of(run: RunContext, sources: Sequence[Shard]) -> Read:
    """A function that reads the images of a run, through its cache if it has one.

    Raises SetupError if a shard of the run is not among ``sources``.
    """
    by_name = {shard.name: shard for shard in sources}
    for name in run.folder.shards():
        if name not in by_name:
            raise SetupError(
                f"{run.folder.path} lists images of {name}, but the sources have no such shard;"
                " name the sources that it was grouped from"
            )

    def read(job: Job, shard: str, image: ImageRecord) -> bytes:
        source = by_name[run.grouped.shard_of(image.key) if job.is_multi else shard]
        fetch = partial(read_image, source, image)
        return fetch() if run.image_cache is None else run.image_cache.read(image.content_hash, fetch)

    return read


def read_image(source: Shard, image: ImageRecord) -> bytes:
    """The bytes of an image in ``source``. If they have changed and come from an unpacked copy of an archive
    that is damaged, they are read from a new copy. Raises OSError if it is missing."""
    place = image.key, image.offset_bytes, image.size_bytes
    if isinstance(source, HasCopy):
        with contextlib.suppress(OSError):
            content = source.read(*place)
            if content_hash(content) == image.content_hash:
                return content
        source.remove_changed_copy()
    return source.read(*place)


def read_unchanged(read: Read, job: Job, shard: str, image: ImageRecord) -> bytes:
    """The bytes from ``read``. Raises UnreadableImageError if that fails or the bytes have changed since
    grouping, and SetupError if the machine is at fault."""
    try:
        content = read(job, shard, image)
    except OSError as error:
        raise image_read_error(error, image.key) from None
    if image.content_hash and content_hash(content) != image.content_hash:
        raise UnreadableImageError(f"changed image: {image.key}: its bytes are not those that were grouped")
    return content


def image_read_error(error: OSError, key: str) -> UnreadableImageError | SetupError:
    """The exception to raise for an image that could not be read, through its own fault or the machine's."""
    reason = error.strerror or error
    if not _is_of_machine(error, key):
        return UnreadableImageError(f"unreadable image: {key}: {reason}")
    return SetupError(
        f"{error.filename or key} can't be read on {socket.gethostname()} ({reason}): no image's fault;"
        " fix the disk, mount or limit (ulimit -n) there and run the same command, which continues from here"
    )


def _is_of_machine(error: OSError, key: str) -> bool:
    """Whether ``error`` or its context is a machine error, or the folder of the source is missing.

    A single missing archive isn't one: only its images are lost.
    """
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno == errno.ENOENT and cause.filename is None:
        return True  # pyarrow's error for a missing file
    for each in (error, cause):
        if isinstance(each, OSError) and not isinstance(each, ChangedObjectError):
            folder = os.path.dirname(str(each.filename or "").removesuffix(key))
            is_missing = folder and not is_url(folder) and not _has_entries(folder)
            if is_missing or each.errno in _MACHINE_ERRORS:
                return True
    return False


def _has_entries(path: str) -> bool:
    """Whether the folder exists and isn't empty: an empty one may be a mount point without its mount."""
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return False
