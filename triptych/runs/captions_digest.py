"""A digest of captions' content, the input of verdicts and exports.

Comes in: a run folder, jobs. Goes out: a SHA-256 that doesn't depend on the order in which answers came, or
on how often a caption was requested. Not its job: caching it (see digest_cache).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from triptych.jobs import Job
from triptych.progress import Progress, Silent
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.folder import RunFolder
from triptych.runs.grouped_images import GroupedImages
from triptych.runs.plan import JobPlan


def captions_digest(folder: RunFolder, jobs: Sequence[Job], progress: Progress | None = None) -> str:
    """One SHA-256, in hex, over the captions of ``jobs``, in plan order. Cached while no file is touched.

    Covers id, text, finish reason and whether it failed; not how many attempts or tokens it took.
    """
    planned_by = [
        name
        for name in ("images", "sets.jsonl", "duplicates.jsonl", "screened.jsonl")
        if (folder.path / name).exists()
    ]
    captioned = [
        folder.captions_folder(job.name).relative_to(folder.path).as_posix()
        for job in jobs
        if folder.captions_folder(job.name).is_dir()
    ]
    return remembered_digest(
        folder.path,
        "captions",
        folder.files_of(*planned_by, *captioned),
        ", ".join(f"{job.name} {job.limit}" for job in jobs),
        lambda: digest_captions(folder, jobs, progress or Silent()),
    )


def digest_captions(folder: RunFolder, jobs: Sequence[Job], progress: Progress) -> str:
    """``captions_digest`` without the cache."""
    digest = hashlib.sha256()
    grouped = GroupedImages(folder)
    encoder = msgspec.json.Encoder()
    with progress.task("checksums", None, "captions") as task:
        for job in jobs:
            for _, planned in JobPlan(folder, job, grouped=grouped).read_all():
                captions = [each.caption for each in planned if each.caption is not None]
                lines = [(c.id, c.text, c.finish_reason, c.failure is not None) for c in captions]
                digest.update(encoder.encode_lines(lines))
                task.advance(len(captions))
    return digest.hexdigest()
