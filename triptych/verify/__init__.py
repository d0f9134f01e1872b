"""Everything that a run wrote, read again and recounted: the content of `triptych verify`.

Comes in: a run. Goes out: the checks that passed, with counts, and the offences. Not its job:
mending anything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from triptych.errors import TriptychError
from triptych.pipeline import Pipeline
from triptych.runs.folder import STAGE_NAMES, RunFolder
from triptych.runs.jsonl import digest_of_files

MOST_IMAGE_OFFENCES = 20
"""More are counted, not listed."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, and what doesn't add up."""

    checks: list[str]
    offences: list[str]


class ImageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Which images are looked at again, and where."""

    count: int | None = 100
    """How many, spread over the run; None: all."""
    root: Path | None = None
    """The folder that rows' paths are below; None: where the run found the images."""


def verify_run(pipeline: Pipeline, images: ImageCheck) -> Verification:
    """Check the ledger, the embeddings, the images and, where there is one, the export.

    Never raises for damage.
    """
    from triptych.export.check.export import check_export

    checks: list[str] = []
    offences: list[str] = []
    run = pipeline.folder
    try:
        ledger = pipeline.take_stock(pipeline.progress)
        found = ledger.offences()
        offences += found
        if not found:
            planned = sum(counts.planned or 0 for counts in ledger.jobs.values())
            checks.append(
                f"the ledger closes: {ledger.images.found or 0:,} images, {planned:,} captions planned"
            )
        offences += [f"stage {stage} is not finished" for stage in ledger.unfinished]
    except (OSError, TriptychError) as error:
        offences.append(str(error))
    _check_stages(run, checks, offences)
    _check_embeddings(pipeline, checks, offences)
    _check_images(pipeline, images, checks, offences)
    if run.is_finished("export"):
        try:
            passed, found = check_export(run, pipeline.progress)
            checks += map(str, passed)
            offences += found
        except (OSError, TriptychError) as error:
            offences.append(str(error))
    return Verification(checks=checks, offences=offences)


def _check_images(pipeline: Pipeline, asked: ImageCheck, checks: list[str], offences: list[str]) -> None:
    """Each image is where it was, with the bytes and the size that the run noted."""
    from triptych.runs.kept_images import kept_among
    from triptych.runs.ledger.recheck import from_folder, from_sources, recheck_images

    if asked.count == 0:
        return
    run = pipeline.folder
    try:
        read = from_folder(asked.root) if asked.root is not None else from_sources(pipeline.shards)
        looked_at, gone, changed = recheck_images(run, read, asked.count, pipeline.progress)
        needed = set(gone)
        if gone and run.is_finished("export"):
            needed = kept_among(run, pipeline.jobs, gone)
    except (OSError, TriptychError) as error:
        offences.append(f"images: {error}")
        return
    where = "their sources" if asked.root is None else str(asked.root)
    found = [*changed.values(), *(gone[key] for key in gone if key in needed)]
    if not found:
        there = looked_at - len(gone)
        checks.append(f"{there:,} of {looked_at:,} images in {where} have their bytes and size")
        if gone:
            checks.append(f"{len(gone):,} have gone since, and no exported row shows any of them")
        return
    offences += found[:MOST_IMAGE_OFFENCES]
    if len(found) > MOST_IMAGE_OFFENCES:
        offences.append(f"images: {len(found) - MOST_IMAGE_OFFENCES:,} more offences")


def _check_embeddings(pipeline: Pipeline, checks: list[str], offences: list[str]) -> None:
    """Each shard's array has one row for each readable image."""
    import numpy as np

    run = pipeline.folder
    rows = shards = 0
    for shard in run.shards():
        path = run.embeddings_file(shard)
        try:
            readable = sum(record.unreadable is None for record in run.images(shard))
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except TriptychError as error:
            offences.append(str(error))
            continue
        except (OSError, ValueError, EOFError) as error:
            offences.append(f"{path} can't be read ({error}); remove it, and `triptych run` makes it again")
            continue
        if array.ndim != 2 or array.dtype != np.float16 or len(array) != readable:
            offences.append(f"{path}: {array.dtype}{list(array.shape)}, expected float16[{readable}, dim]")
            continue
        rows += len(array)
        shards += 1
    checks.append(f"{rows:,} embeddings in {shards:,} shards match their images")


def _check_stages(run: RunFolder, checks: list[str], offences: list[str]) -> None:
    """Each finished stage left what is there, and read what is there: nothing was changed behind it."""
    losses = [loss for stage in STAGE_NAMES if (loss := run.loss_of(stage)) is not None]
    offences += [f"{loss}; `triptych run` makes again what is missing" for loss in losses]
    sets = run.run_file.stages.get("sets")
    if losses or sets is None or not sets.finished:
        return
    changed = [
        name
        for name in ("images", "embeddings")
        if sets.inputs.get(name) != digest_of_files(run.path, run.files_of(name))
    ]
    offences += [
        f"{run.path / name} has other bytes than when the sets were made of it: it was damaged or edited;"
        " put it back, or make it again with --fresh embeddings"
        for name in changed
    ]
    if not changed:
        checks.append("images and embeddings have the bytes that the sets were made of")
