"""What was captioned, in the order of the plan.

Comes in: the plan and the caption journals. Goes out: targets with their captions, and one digest of
them. Journals are in the order in which answers came, and may hold captions of images and sets that
are no longer planned; nothing downstream may depend on either, so it reads captions through here.
Not its job: judging or writing captions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from triptych.jobs import Job
from triptych.progress import Progress, Silent
from triptych.records import Caption
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, Target


def captioned_targets(run: RunFolder, job: Job) -> Iterator[tuple[str, list[tuple[Target, Caption]]]]:
    """``(shard, [(target, caption)])`` in plan order, without targets that have no caption yet.

    A caption whose ``failure`` is set is among them. Of several with one id the last counts.
    """
    for shard, planned in JobPlan(run, job).read_all():
        yield shard, [(each.target, each.caption) for each in planned if each.caption is not None]


def captions_digest(run: RunFolder, jobs: Sequence[Job], progress: Progress | None = None) -> str:
    """One SHA-256, in hex, over what the captions of ``jobs`` say, in plan order.

    Covers id, text, finish reason and whether it failed; not how many attempts or tokens it took.
    Not computed again for files that nobody has touched since (see digest_cache).
    """
    planned_by = [name for name in ("images", "sets.jsonl", "duplicates.jsonl") if (run.path / name).exists()]
    files = run.files_of(
        *planned_by, *(f"captions/{job.name}" for job in jobs if _has_captions(run, job.name))
    )
    plan = ", ".join(f"{job.name} {job.limit}" for job in jobs)
    return remembered_digest(
        run.path, "captions", files, plan, lambda: _digest(run, jobs, progress or Silent())
    )


def _has_captions(run: RunFolder, job: str) -> bool:
    return (run.path / "captions" / job).is_dir()


def _digest(run: RunFolder, jobs: Sequence[Job], progress: Progress) -> str:
    digest = hashlib.sha256()
    encoder = msgspec.json.Encoder()
    with progress.task("digest", None, "captions") as task:
        for job in jobs:
            for _, pairs in captioned_targets(run, job):
                for _, caption in pairs:
                    said = (caption.id, caption.text, caption.finish_reason, caption.failure is not None)
                    digest.update(encoder.encode(said) + b"\n")
                task.advance(len(pairs))
    return digest.hexdigest()
