"""The bytes of a run's images, from the sources that they were found in.

Comes in: a run, the shards of its sources. Goes out: the bytes of an image, or why they can't be had: through
its own fault, or through this machine's, which would be every image's. Not its job: decoding them.
"""

from __future__ import annotations

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
from triptych.sources.shard import Shard

_OF_MACHINE = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
        *(errno.ETIMEDOUT, errno.ENOTCONN, errno.ESHUTDOWN, errno.ECONNABORTED, errno.ECONNREFUSED),
        *(errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    }
)
"""What a disk, a mount or a limit says, whichever file is read."""

Read = Callable[[Job, str, ImageRecord], bytes]
"""The bytes of an image of a target that a job has filed under a shard. Raises OSError where it is gone.
Thread-safe."""


def reader_of(run: RunContext, sources: Sequence[Shard]) -> Read:
    """What reads the images of a run, through its cache if it has one.

    Raises SetupError where a shard of the run is not among ``sources``.
    """
    by_name = {shard.name: shard for shard in sources}
    for name in run.folder.shards():
        if name not in by_name:
            raise SetupError(
                f"{run.folder.path} lists images of {name}, but the sources hold no such shard;"
                " name the sources that it was grouped from"
            )

    def read(job: Job, shard: str, image: ImageRecord) -> bytes:
        source = by_name[run.grouped.shard_of(image.key) if job.is_multi else shard]
        fetch = partial(source.read, image.key, image.offset_bytes, image.size_bytes)
        return fetch() if run.image_cache is None else run.image_cache.read(image.content_hash, fetch)

    return read


def read_unchanged(read: Read, job: Job, shard: str, image: ImageRecord) -> bytes:
    """What ``read`` gives. Raises UnreadableImageError where that fails, or isn't what was grouped, and
    SetupError where the machine is to blame."""
    try:
        content = read(job, shard, image)
    except OSError as error:
        raise why_unread(error, image.key) from None
    if image.content_hash and content_hash(content) != image.content_hash:
        raise UnreadableImageError(f"changed image: {image.key}: its bytes are not those that were grouped")
    return content


def why_unread(error: OSError, key: str) -> UnreadableImageError | SetupError:
    """What to raise for an image that could not be read: whether it is to blame, or the machine."""
    reason = error.strerror or error
    if not _is_of_machine(error, key):
        return UnreadableImageError(f"unreadable image: {key}: {reason}")
    return SetupError(
        f"{error.filename or key} can't be read on {socket.gethostname()} ({reason}): no image's fault;"
        " see to the disk, mount or limit (ulimit -n) there and run the same command: it goes on from here"
    )


def _is_of_machine(error: OSError, key: str) -> bool:
    """Whether ``error``, or what it came from, is of this machine, or the folder of its source isn't there.

    One archive of many may go, and costs its images.
    """
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno == errno.ENOENT and cause.filename is None:
        return True  # pyarrow's, of a whole file
    for each in (error, cause):
        if isinstance(each, OSError) and not isinstance(each, ChangedObjectError):
            folder = os.path.dirname(str(each.filename or "").removesuffix(key))
            is_gone = folder and not is_url(folder) and not _is_there(folder)
            if is_gone or each.errno in _OF_MACHINE:
                return True
    return False


def _is_there(path: str) -> bool:
    """Whether the folder is there, with something in it: nothing may be mounted at an empty one."""
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return False
