"""Reads a run's images again, to see if they still exist with the bytes and the size that the run noted.

Comes in: a run, how many images to read, and where from. Goes out: findings. Not its job: decoding pixels:
these bytes were decoded before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.api import Run
from triptych.errors import TriptychError, UnreadableImageError
from triptych.grouping.stage import STORED_EMBEDDINGS
from triptych.progress import Progress
from triptych.records import ImageRecord, content_hash
from triptych.runs.folder import RunFolder
from triptych.runs.grouped_images import GroupedImages
from triptych.runs.image_reader import read_image
from triptych.runs.plan import JobPlan
from triptych.runs.sampling import hash64, last_sampled
from triptych.sources.image_decoding import upright_size
from triptych.sources.shard import Shard
from triptych.verify import Findings

MOST_IMAGE_VIOLATIONS = 20
"""Violations that are listed; more are only counted."""


class ImageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Which images are read again, and where from."""

    count: int | None = 100
    """How many, spread over the run; None: all."""
    root: Path | None = None
    """The folder that paths in exported rows are relative to; None: where the run found the images."""


def check_images(opened: Run, found: Findings, asked: ImageCheck) -> None:
    """Each image still exists, with the bytes and the size that the run noted."""
    state = opened.folder.run_file.stages.get("embeddings")
    has_none = state is not None and state.settings.get("encoder") == STORED_EMBEDDINGS
    if asked.count == 0 or has_none:
        return
    try:
        read = from_folder(asked.root) if asked.root is not None else from_sources(opened.shards)
        checked, gone, changed = recheck_images(opened.folder, read, asked.count, opened.progress)
        needed = _needed(opened, gone.keys())
    except (OSError, TriptychError) as error:
        found.violations.append(f"images: {error}")
        return
    where = "their sources" if asked.root is None else str(asked.root)
    violations = [*changed.values(), *(gone[key] for key in gone if key in needed)]
    if not violations:
        unchanged = checked - len(gone)
        found.checks.append(f"{unchanged:,} of {checked:,} images in {where} have their bytes and size")
        if gone:
            found.checks.append(f"{len(gone):,} are gone since, and no exported row shows any of them")
        return
    found.violations += violations[:MOST_IMAGE_VIOLATIONS]
    if len(violations) > MOST_IMAGE_VIOLATIONS:
        found.violations.append(f"images: {len(violations) - MOST_IMAGE_VIOLATIONS:,} more violations")


def _needed(opened: Run, gone: Collection[str]) -> Collection[str]:
    """The keys in ``gone`` that exported rows show; before the export, all of them."""
    if not gone or not opened.folder.is_finished("export"):
        return gone
    needed: set[str] = set()
    grouped = GroupedImages(opened.folder)
    for job in opened.jobs:
        for _, planned in JobPlan(opened.folder, job, grouped=grouped).read_all(verdicts=True):
            for each in planned:
                if each.is_kept:
                    needed.update(image.key for image in each.target.images if image.key in gone)
    return needed


ReadImage = Callable[[str, ImageRecord], bytes]
"""Reads an image's bytes, given the name of its shard and its record. Raises OSError if it is missing."""


def from_sources(shards: Sequence[Shard]) -> ReadImage:
    """Reads images where the run found them."""
    by_name: Mapping[str, Shard] = {shard.name: shard for shard in shards}

    def read(shard: str, image: ImageRecord) -> bytes:
        if shard not in by_name:
            raise FileNotFoundError(f"no shard {shard} in the sources any more")
        try:
            return read_image(by_name[shard], image)
        except KeyError:
            raise FileNotFoundError("not in the sources any more") from None

    return read


def from_folder(root: Path) -> ReadImage:
    """Reads images as a trainer would: below ``root``, at the path in the row."""
    return lambda _, image: (root / image.key).read_bytes()


class Rechecked(NamedTuple):
    """How many images were checked; ``gone`` and ``changed`` have a line by key."""

    checked: int
    gone: dict[str, str]
    changed: dict[str, str]


def recheck_images(run: RunFolder, read: ReadImage, count: int | None, progress: Progress) -> Rechecked:
    """Check ``count`` readable images, spread over the whole run and always the same; None: all."""
    chosen = list(_chosen(run, count)) if count is not None else None
    gone: dict[str, str] = {}
    changed: dict[str, str] = {}
    checked = 0
    images = chosen if chosen is not None else _readable(run)
    with progress.task("check images", count if chosen is None else len(chosen), "images") as task:
        for shard, image in images:
            try:
                mismatch = _mismatch(image, read(shard, image))
                if mismatch is not None:
                    changed[image.key] = f"{image.key}: {mismatch}"
            except OSError as error:
                gone[image.key] = f"{image.key}: can't be read: {error.strerror or error}"
            checked += 1
            task.advance(1)
    return Rechecked(checked, gone, changed)


def _mismatch(image: ImageRecord, content: bytes) -> str | None:
    if len(content) != image.size_bytes:
        return f"has {len(content):,} bytes, {image.size_bytes:,} when it was embedded"
    if content_hash(content) != image.content_hash:
        return "has other bytes than when it was embedded"
    try:
        size = upright_size(content)
    except UnreadableImageError as error:
        return f"can't be decoded: {error}"
    if size != (image.width_px, image.height_px):
        return f"is {size[0]} x {size[1]} pixels, stated are {image.width_px} x {image.height_px}"
    return None


def _readable(run: RunFolder) -> Iterator[tuple[str, ImageRecord]]:
    for shard in run.shards():
        for image in run.images(shard):
            if image.unreadable is None:
                yield shard, image


def _chosen(run: RunFolder, count: int) -> Iterator[tuple[str, ImageRecord]]:
    """The images with the ``count`` smallest hashes of their keys."""
    last_hash = last_sampled((image.key for _, image in _readable(run)), count)
    yield from ((shard, image) for shard, image in _readable(run) if hash64(image.key) <= last_hash)
