"""The bytes of a run's images, from the sources that they were found in.

Comes in: a run, the shards of its sources. Goes out: the bytes of an image, or why they can't be had. Not its
job: decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from triptych.errors import SetupError, UnreadableImageError
from triptych.jobs import Job
from triptych.records import ImageRecord, content_hash
from triptych.runs.context import RunContext
from triptych.sources.shard import Shard

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
    """What ``read`` gives. Raises UnreadableImageError where that fails, or isn't what was grouped."""
    try:
        content = read(job, shard, image)
    except OSError as error:
        reason = error.strerror or error
        raise UnreadableImageError(f"unreadable image: {image.key}: {reason}") from None
    if image.content_hash and content_hash(content) != image.content_hash:
        raise UnreadableImageError(f"changed image: {image.key}: its bytes are not those that were grouped")
    return content
