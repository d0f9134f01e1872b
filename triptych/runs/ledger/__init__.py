"""The ledger: what became of every image and every planned caption, recounted from the files.

    images found = unreadable + screened out + duplicates + in sets + single
    per job: planned = captioned + failed + pending, and pending is 0 once captioning has finished
             captioned = kept + rejected (by the first rule that rejects)

Comes in: a run folder, finished or not. Goes out: counts, and where they don't add up, in words. Of what
stages stored it trusts only whether they have finished, not their counts. Not its job: what was exported (see
export.check).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.jobs import Job
from triptych.progress import Progress, Silent
from triptych.runs.folder import RunFolder
from triptych.runs.grouped_images import GroupedImages
from triptych.runs.ledger.captions import JobCounts, recount_captions
from triptych.runs.ledger.images import ImageCounts, recount_images
from triptych.runs.plan import JobPlan
from triptych.runs.stage_record import STAGE_NAMES, StageName


def total_of(parts: Mapping[str, int] | None) -> int | None:
    """The sum of counts by class; None if they aren't known."""
    return None if parts is None else sum(parts.values())


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """All counts of a run."""

    images: ImageCounts
    jobs: dict[str, JobCounts]
    unfinished: tuple[StageName, ...]
    """The stages that haven't finished."""
    contradictions: tuple[str, ...]
    """Contradictions between files: an image in two sets, a verdict without a caption."""

    def violations(self) -> list[str]:
        """The contradictions, and sums that don't add up. A sound run has none, even if it is unfinished."""
        violations = [*self.contradictions, *_image_mismatches(self.images)]
        for job, counts in self.jobs.items():
            violations += _job_mismatches(job, counts, captions_done="captions" not in self.unfinished)
        return violations


def recount(folder: RunFolder, jobs: Sequence[Job], progress: Progress | None = None) -> Ledger:
    """Recount everything. Counts of stages that didn't run are None. Raises SetupError for a damaged file."""
    images, contradictions = recount_images(folder)
    # If images and sets contradict each other, there is no plan to count captions against.
    has_plan = images.sets is not None and not contradictions
    counted: dict[str, JobCounts] = {}
    grouped = GroupedImages(folder)
    with (progress or Silent()).task("recount", None, "captions") as task:
        for job in jobs:
            counted[job.name] = JobCounts()
            if has_plan:
                counted[job.name], found = recount_captions(JobPlan(folder, job, grouped=grouped), task)
                contradictions += found
    return ledger_of(folder, images, counted, contradictions)


def ledger_of(
    folder: RunFolder,
    images: ImageCounts,
    jobs: Mapping[str, JobCounts],
    contradictions: Sequence[str],
) -> Ledger:
    """A ledger of counts made elsewhere: export counts captions while it reads them."""
    return Ledger(
        images=images,
        jobs=dict(jobs),
        unfinished=tuple(stage for stage in STAGE_NAMES if not folder.is_finished(stage)),
        contradictions=tuple(contradictions),
    )


def _image_mismatches(counts: ImageCounts) -> list[str]:
    if counts.found is None or counts.unreadable is None or counts.duplicates is None:
        return []
    parts = {
        "unreadable": sum(counts.unreadable.values()),
        "screened out": sum((counts.screened or {}).values()),
        "duplicates": sum(counts.duplicates.values()),
        "in sets": counts.in_sets or 0,
        "single": counts.single or 0,
    }
    if counts.found == sum(parts.values()):
        return []
    added = " + ".join(f"{count:,} {name}" for name, count in parts.items())
    return [f"images: {counts.found:,} found, but {added} make {sum(parts.values()):,}"]


def _job_mismatches(job: str, counts: JobCounts, *, captions_done: bool) -> list[str]:
    if counts.planned is None or counts.captioned is None or counts.failed is None:
        return []
    mismatches = []
    failed = sum(counts.failed.values())
    if captions_done and counts.planned != counts.captioned + failed:
        mismatches.append(
            f"{job}: {counts.planned:,} planned, but {counts.captioned:,} captioned + {failed:,} failed"
            f" make {counts.captioned + failed:,}"
        )
    if counts.kept is not None and counts.rejected is not None:
        rejected = sum(counts.rejected.values())
        if counts.captioned != counts.kept + rejected:
            mismatches.append(
                f"{job}: {counts.captioned:,} captioned, but {counts.kept:,} kept + {rejected:,} rejected"
                f" make {counts.kept + rejected:,}"
            )
    return mismatches
