"""The ledger from the counts that stages noted in run.json: `triptych status` shows it instead of a recount.

Comes in: a run folder. Goes out: its counts, at most some seconds old while captions are made; None if some
aren't noted or files were lost, so that a recount is needed. `triptych verify` recounts, and names notes that
are wrong. Not its job: counting (see captions, images).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.jobs import Job
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.ledger import Ledger, ledger_of
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts
from triptych.runs.staleness import is_judged, stale_stages


def as_note(counts: Mapping[str, int]) -> str:
    """Counts by class, encoded as one note."""
    return msgspec.json.encode(dict(sorted(counts.items()))).decode()


def noted_ledger(folder: RunFolder, jobs: Sequence[Job]) -> Ledger | None:
    """The ledger of noted counts; None if a recount is needed."""
    has_sets = folder.is_finished("embeddings") and folder.is_finished("sets")
    stale = stale_stages(folder)
    if "sets" in stale or "captions" in stale or any(map(folder.loss_of, folder.every_stage)):
        return None
    try:
        images = _grouped_counts(folder) if has_sets else _file_counts(folder)
        by_job = {job.name: _job_counts(folder, job.name) if has_sets else JobCounts() for job in jobs}
        return ledger_of(folder, images, by_job, contradictions=())
    except (KeyError, TypeError, ValueError):
        return None


def _file_counts(folder: RunFolder) -> ImageCounts:
    """The counts of embedded shards, which may not be all."""
    notes = folder.run_file.stages["embeddings"].notes
    return ImageCounts(
        found=_number(notes["found"]),
        unreadable=_by_class(notes["unreadable_by"]),
        gone=_number(notes["gone"]),
    )


def _grouped_counts(folder: RunFolder) -> ImageCounts:
    files, notes = _file_counts(folder), folder.run_file.stages["sets"].notes
    duplicates, in_sets = _by_class(notes["duplicates_by"]), _number(notes["images_in_sets"])
    screened = _by_class(notes["screened_by"])
    left_out = sum(sum(each.values()) for each in (files.unreadable or {}, duplicates, screened))
    return msgspec.structs.replace(
        files,
        screened=screened,
        duplicates=duplicates,
        in_sets=in_sets,
        single=(files.found or 0) - left_out - in_sets,
        sets=_number(notes["sets"]),
    )


def _job_counts(folder: RunFolder, job: str) -> JobCounts:
    notes = folder.run_file.stages["captions"].notes
    planned, captioned = _number(notes[f"{job}.planned"]), _number(notes[f"{job}.captioned"])
    failed = _by_class(notes[f"{job}.failed_by"])
    verdicts = folder.run_file.stages["verdicts"].notes if is_judged(folder, job) else {}
    return JobCounts(
        planned=planned,
        captioned=captioned,
        failed=failed,
        pending=planned - captioned - sum(failed.values()),
        kept=_number(verdicts[f"{job}.kept"]) if verdicts else None,
        repaired=_number(verdicts[f"{job}.repaired"]) if verdicts else None,
        rejected=_by_class(verdicts[f"{job}.rejected_by"]) if verdicts else None,
    )


def _number(note: Setting) -> int:
    if not isinstance(note, int):
        raise TypeError
    return note


def _by_class(note: Setting) -> dict[str, int]:
    return msgspec.json.decode(str(note), type=dict[str, int])
