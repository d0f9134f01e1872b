"""The ledger as the stages have noted it: what `triptych status` shows, where a recount takes minutes.

Comes in: a run folder. Goes out: its counts, from run.json, at most some seconds old while captions are made;
None where not all of them are noted, or files were lost: then they have to be counted. `triptych verify`
recounts, and says where the notes are wrong. Not its job: counting (see captions, images).
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
    """Counts by class as one note."""
    return msgspec.json.encode(dict(sorted(counts.items()))).decode()


def noted_ledger(folder: RunFolder, jobs: Sequence[Job]) -> Ledger | None:
    """None where it has to be counted."""
    has_sets = folder.is_finished("embeddings") and folder.is_finished("sets")
    stale = stale_stages(folder)
    if "sets" in stale or "captions" in stale or any(map(folder.loss_of, folder.every_stage)):
        return None
    try:
        images = _sets(folder) if has_sets else _files(folder)
        by_job = {job.name: _job(folder, job.name) if has_sets else JobCounts() for job in jobs}
        return ledger_of(folder, images, by_job, contradictions=())
    except (KeyError, TypeError, ValueError):
        return None


def _files(folder: RunFolder) -> ImageCounts:
    """Of the shards that are embedded, while others may not be."""
    notes = folder.run_file.stages["embeddings"].notes
    return ImageCounts(
        found=_number(notes["found"]),
        unreadable=_by_class(notes["unreadable_by"]),
        gone=_number(notes["gone"]),
    )


def _sets(folder: RunFolder) -> ImageCounts:
    files, notes = _files(folder), folder.run_file.stages["sets"].notes
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


def _job(folder: RunFolder, job: str) -> JobCounts:
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
