"""What each job has to caption: its targets, shard by shard, in the order they are exported.

Comes in: images, duplicates and sets of a run. Goes out: targets. A single-image job covers every
readable image that isn't a duplicate; a multi-image job covers every set, filed under the shard of
its first image. Not its job: which of them are already captioned (see captioning).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from corpus.records import ImageRecord, ImageSet, JobName, caption_id, is_multi
from corpus.runfolder import RunFolder
from corpus.sampling import hash64, last_sampled


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One caption to make. ``images`` are in the order in which the model sees them."""

    id: str
    images: tuple[ImageRecord, ...]


def planned_targets(run: RunFolder, job: JobName, limit: int | None) -> Iterator[tuple[str, list[Target]]]:
    """``(shard, targets)`` for every shard that has any, in shard order.

    ``limit`` keeps that many targets of the whole job: those with the smallest hash of their id, so
    the choice depends on nothing else. Targets are in key order; sets in that of their first image.
    """
    last_hash = None
    if limit is not None:
        everything = itertools.chain.from_iterable(targets for _, targets in _targets_by_shard(run, job))
        last_hash = last_sampled((target.id for target in everything), limit)
    for shard, targets in _targets_by_shard(run, job):
        kept = targets if last_hash is None else [t for t in targets if hash64(t.id) <= last_hash]
        if kept:
            yield shard, kept


def _targets_by_shard(run: RunFolder, job: JobName) -> Iterator[tuple[str, list[Target]]]:
    return _sets_by_shard(run, job) if is_multi(job) else _images_by_shard(run, job)


def _images_by_shard(run: RunFolder, job: JobName) -> Iterator[tuple[str, list[Target]]]:
    duplicates = {duplicate.key for duplicate in run.duplicates()}
    for shard in run.shards():
        yield (
            shard,
            [
                Target(id=caption_id(job, record.key), images=(record,))
                for record in run.images(shard)
                if record.unreadable is None and record.key not in duplicates
            ],
        )


def _sets_by_shard(run: RunFolder, job: JobName) -> Iterator[tuple[str, list[Target]]]:
    sets = sorted(run.sets(), key=lambda image_set: image_set.keys[0])
    members = {key for image_set in sets for key in image_set.keys}
    record_of: dict[str, ImageRecord] = {}
    shard_of: dict[str, str] = {}
    for shard in run.shards():
        for record in run.images(shard):
            if record.key in members:
                record_of[record.key] = record
                shard_of[record.key] = shard
    sets_of: dict[str, list[ImageSet]] = {}
    for image_set in sets:
        sets_of.setdefault(shard_of[image_set.keys[0]], []).append(image_set)
    for shard in run.shards():
        yield (
            shard,
            [
                Target(id=caption_id(job, s.id), images=tuple(record_of[key] for key in s.keys))
                for s in sets_of.get(shard, [])
            ],
        )
