"""What was captioned, in the order of the plan.

Comes in: the plan and the caption journals. Goes out: targets with their captions, and one digest of
them. Journals are in the order in which answers came, and may hold captions of images and sets that
are no longer planned; nothing downstream may depend on either, so it reads captions through here.
Not its job: judging or writing captions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from triptych.progress import Progress, Silent
from triptych.records import Caption, JobName
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.folder import RunFolder
from triptych.runs.plan import Target, planned_targets

PlanLimits = Callable[[JobName], int | None]
"""How many targets of a job are captioned; None for all of them."""


def captioned_targets(
    run: RunFolder, job: JobName, limit: int | None
) -> Iterator[tuple[str, list[tuple[Target, Caption]]]]:
    """``(shard, [(target, caption)])`` in plan order, without targets that have no caption yet.

    A caption whose ``failure`` is set is among them. Of several with one id the last counts.
    """
    for shard, targets in planned_targets(run, job, limit):
        captions = {caption.id: caption for caption in run.captions(job, shard)}
        yield shard, [(target, captions[target.id]) for target in targets if target.id in captions]


def captions_digest(
    run: RunFolder, jobs: Sequence[JobName], plan_limits: PlanLimits, progress: Progress | None = None
) -> str:
    """One SHA-256, in hex, over what the captions of ``jobs`` say, in plan order.

    Covers id, text, finish reason and whether it failed; not how many attempts or tokens it took.
    Not computed again for files that nobody has touched since (see remembered).
    """
    planned_by = [name for name in ("images", "sets.jsonl", "duplicates.jsonl") if (run.path / name).exists()]
    files = run.files_of(*planned_by, *(f"captions/{job}" for job in jobs if _has_captions(run, job)))
    plan = ", ".join(f"{job} {plan_limits(job)}" for job in jobs)
    return remembered_digest(
        run.path, "captions", files, plan, lambda: _digest(run, jobs, plan_limits, progress or Silent())
    )


def _has_captions(run: RunFolder, job: JobName) -> bool:
    return (run.path / "captions" / job).is_dir()


def _digest(run: RunFolder, jobs: Sequence[JobName], plan_limits: PlanLimits, progress: Progress) -> str:
    digest = hashlib.sha256()
    encoder = msgspec.json.Encoder()
    with progress.task("digest", None, "captions") as task:
        for job in jobs:
            for _, pairs in captioned_targets(run, job, plan_limits(job)):
                for _, caption in pairs:
                    said = (caption.id, caption.text, caption.finish_reason, caption.failure is not None)
                    digest.update(encoder.encode(said) + b"\n")
                task.advance(len(pairs))
    return digest.hexdigest()
