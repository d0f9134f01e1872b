"""Everything that a run wrote, read again and recounted: what `triptych verify` does.

Comes in: a run. Goes out: the checks that passed, with counts, and the violations. Some images are read
again: is each still there, and has it the bytes (length and hash) and the size that the run noted? Not its
job: repairing anything; decoding every pixel again, as equal bytes are the bytes that were decoded before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.api import Run
from triptych.errors import TriptychError, UnreadableImageError
from triptych.progress import Progress
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import digest_of_files
from triptych.runs.plan import GroupedImages, JobPlan
from triptych.runs.sampling import hash64, last_sampled
from triptych.runs.stages import STAGE_NAMES
from triptych.sources.image_decoding import upright_size
from triptych.sources.shard import Shard

MOST_IMAGE_VIOLATIONS = 20
"""More are counted, not listed."""


class Verification(msgspec.Struct, kw_only=True):
    """What was checked, and what is wrong."""

    checks: list[str] = []
    violations: list[str] = []


class ImageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Which images are read again, and where."""

    count: int | None = 100
    """How many, spread over the run; None: all."""
    root: Path | None = None
    """The folder that rows' paths are below; None: where the run found the images."""


def verify_run(opened: Run, images: ImageCheck) -> Verification:
    """Check the ledger, the embeddings, the images and, where there is one, the export.

    Never raises for damage.
    """
    found = Verification()
    for check in (
        _check_ledger,
        _check_stages,
        _check_embeddings,
        partial(_check_images, asked=images),
        _check_export,
    ):
        try:
            check(opened, found)
        except (OSError, TriptychError) as error:
            found.violations.append(str(error))
    return found


def _check_ledger(opened: Run, found: Verification) -> None:
    """Every image and every planned caption is accounted for."""
    ledger = opened.ledger(opened.progress)
    violations = ledger.violations()
    found.violations += violations
    if not violations:
        planned = sum(counts.planned or 0 for counts in ledger.jobs.values())
        found.checks.append(
            f"the ledger adds up: {ledger.images.found or 0:,} images, {planned:,} captions planned"
        )
    found.violations += [f"stage {stage} is not finished" for stage in ledger.unfinished]


def _check_stages(opened: Run, found: Verification) -> None:
    """What a finished stage wrote and read is there, and the same."""
    folder = opened.folder
    losses = [loss for stage in STAGE_NAMES if (loss := folder.loss_of(stage)) is not None]
    found.violations += [f"{loss}; `triptych run` makes again what is missing" for loss in losses]
    sets = folder.run_file.stages.get("sets")
    if losses or sets is None or not sets.finished:
        return
    changed = [
        name
        for name in ("images", "embeddings")
        if sets.inputs.get(name) != digest_of_files(folder.path, folder.files_of(name))
    ]
    found.violations += [
        f"{folder.path / name} has other bytes than when the sets were made of it: it was damaged or edited;"
        " put it back, or make it again with --fresh embeddings"
        for name in changed
    ]
    if not changed:
        found.checks.append("images and embeddings have the bytes that the sets were made of")


def _check_embeddings(opened: Run, found: Verification) -> None:
    """Each shard's array has one row for each readable image."""
    import numpy as np

    folder = opened.folder
    rows = shards = 0
    for shard in folder.shards():
        path = folder.embeddings_file(shard)
        try:
            readable = sum(record.unreadable is None for record in folder.images(shard))
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except TriptychError as error:
            found.violations.append(str(error))
            continue
        except (OSError, ValueError, EOFError) as error:
            found.violations.append(
                f"{path} can't be read ({error}); remove it, and `triptych run` makes it again"
            )
            continue
        if array.ndim != 2 or array.dtype != np.float16 or len(array) != readable:
            found.violations.append(
                f"{path}: {array.dtype}{list(array.shape)}, expected float16[{readable}, dim]"
            )
            continue
        rows += len(array)
        shards += 1
    found.checks.append(f"{rows:,} embeddings in {shards:,} shards match their images")


def _check_images(opened: Run, found: Verification, asked: ImageCheck) -> None:
    """Each image is where it was, with the bytes and the size that the run noted."""
    if asked.count == 0:
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
        there = checked - len(gone)
        found.checks.append(f"{there:,} of {checked:,} images in {where} have their bytes and size")
        if gone:
            found.checks.append(f"{len(gone):,} have gone since, and no exported row shows any of them")
        return
    found.violations += violations[:MOST_IMAGE_VIOLATIONS]
    if len(violations) > MOST_IMAGE_VIOLATIONS:
        found.violations.append(f"images: {len(violations) - MOST_IMAGE_VIOLATIONS:,} more violations")


def _needed(opened: Run, gone: Collection[str]) -> Collection[str]:
    """Those of the images ``gone`` that an exported row shows; before the export, all of them."""
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


def _check_export(opened: Run, found: Verification) -> None:
    """The exported files, where there are any."""
    from triptych.export.check.export import check_export

    if not opened.folder.is_finished("export"):
        return
    passed, violations = check_export(opened.folder, opened.progress)
    found.checks += map(str, passed)
    found.violations += violations


ReadImage = Callable[[str, ImageRecord], bytes]
"""The bytes of an image, by the name of its shard and its record. Raises OSError where they aren't there."""


def from_sources(shards: Sequence[Shard]) -> ReadImage:
    """Reads images where the run found them."""
    by_name: Mapping[str, Shard] = {shard.name: shard for shard in shards}

    def read(shard: str, image: ImageRecord) -> bytes:
        if shard not in by_name:
            raise FileNotFoundError(f"no shard {shard} in the sources any more")
        try:
            return by_name[shard].read(image.key, image.offset_bytes, image.size_bytes)
        except KeyError:
            raise FileNotFoundError("not in the sources any more") from None

    return read


def from_folder(root: Path) -> ReadImage:
    """Reads images where a trainer would: below ``root``, at the path that a row has."""
    return lambda _, image: (root / image.key).read_bytes()


class Rechecked(NamedTuple):
    """What became of the images that were checked. ``gone`` and ``changed`` say why, by key."""

    checked: int
    gone: dict[str, str]
    changed: dict[str, str]


def recheck_images(run: RunFolder, read: ReadImage, count: int | None, progress: Progress) -> Rechecked:
    """Check ``count`` readable images, spread over the whole run and always the same; None: at all."""
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
    if hashlib.blake2b(content, digest_size=16).hexdigest() != image.content_hash:
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
