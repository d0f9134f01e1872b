"""What each job has to caption: its targets, shard by shard, in the order they are exported.

Comes in: images, duplicates and sets of a run. Goes out: targets. A single-image job covers every
readable image that isn't a duplicate; a multi-image job covers every set, filed under the shard of
its first image. Not its job: which of them are already captioned (see captioning).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import msgspec

from triptych.records import ImageRecord, ImageSet, JobName, caption_id, is_multi
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_whole_jsonl
from triptych.runs.sampling import hash64, last_sampled


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One caption to make. ``images`` are in the order in which the model sees them."""

    id: str
    images: tuple[ImageRecord, ...]


def planned_targets(run: RunFolder, job: JobName, limit: int | None) -> Iterator[tuple[str, list[Target]]]:
    """``(shard, targets)`` for every shard that has any, in shard order.

    ``limit`` keeps that many targets of the whole job: those with the smallest hash of their id, so
    the choice depends on nothing else. Targets are in key order; sets in that of their first image.
    """
    if is_multi(job):
        last_hash = last_planned(run, job, limit)
        for shard, targets in _sets_by_shard(run, job):
            if kept := _up_to(last_hash, targets):
                yield shard, kept
    else:
        plan = ImagePlan(run, job, last_planned(run, job, limit))
        for shard in run.shards():
            if targets := plan.targets(shard):
                yield shard, targets


def last_planned(run: RunFolder, job: JobName, limit: int | None) -> int | None:
    """The largest hash that ``limit`` lets through; None: all. Reads the whole plan, if there is one."""
    if limit is None:
        return None
    if is_multi(job):
        per_shard = (targets for _, targets in _sets_by_shard(run, job))
    else:
        everything = ImagePlan(run, job, None)
        per_shard = (everything.targets(shard) for shard in run.shards())
    return last_sampled((target.id for targets in per_shard for target in targets), limit)


class ListedImage(Protocol):
    """Of an ImageRecord, what decides whether it is planned."""

    @property
    def key(self) -> str: ...

    @property
    def unreadable(self) -> str | None: ...


_L = TypeVar("_L", bound=ListedImage)


class ImagePlan:
    """The targets of a job on single images, for any shard by itself."""

    def __init__(self, run: RunFolder, job: JobName, last_hash: int | None) -> None:
        self._run, self._job, self._last_hash = run, job, last_hash
        self._duplicates = {duplicate.key for duplicate in run.duplicates()}

    def images(self, shard: str, kind: type[_L]) -> list[_L]:
        """Every readable image of ``shard`` that is no duplicate, as far as the limit goes.

        ``kind`` is an ImageRecord, or names only the fields that are wanted: half of the cost.
        """
        images = [
            record
            for record in read_whole_jsonl(self._run.images_file(shard), kind)
            if record.unreadable is None and record.key not in self._duplicates
        ]
        if self._last_hash is None:
            return images
        return [image for image in images if hash64(caption_id(self._job, image.key)) <= self._last_hash]

    def targets(self, shard: str) -> list[Target]:
        """Those images as targets."""
        return [
            Target(id=caption_id(self._job, image.key), images=(image,))
            for image in self.images(shard, ImageRecord)
        ]


def _up_to(last_hash: int | None, targets: list[Target]) -> list[Target]:
    if last_hash is None:
        return targets
    return [target for target in targets if hash64(target.id) <= last_hash]


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
