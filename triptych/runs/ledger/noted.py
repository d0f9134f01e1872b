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
    finished = folder.is_finished("embeddings") and folder.is_finished("sets")
    stale = stale_stages(folder)
    if not finished or "sets" in stale or "captions" in stale or any(map(folder.loss_of, folder.every_stage)):
        return None
    try:
        by_job = {job.name: _job(folder, job.name) for job in jobs}
        return ledger_of(folder, _images(folder), by_job, contradictions=())
    except (KeyError, TypeError, ValueError):
        return None


def _images(folder: RunFolder) -> ImageCounts:
    embeddings, sets = (folder.run_file.stages[name].notes for name in ("embeddings", "sets"))
    found, in_sets = _number(embeddings["found"]), _number(sets["images_in_sets"])
    unreadable, duplicates = _by_class(embeddings["unreadable_by"]), _by_class(sets["duplicates_by"])
    return ImageCounts(
        found=found,
        unreadable=unreadable,
        duplicates=duplicates,
        in_sets=in_sets,
        single=found - sum(unreadable.values()) - sum(duplicates.values()) - in_sets,
        sets=_number(sets["sets"]),
        gone=_number(embeddings["gone"]),
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
        rejected=_by_class(verdicts[f"{job}.rejected_by"]) if verdicts else None,
    )


def _number(note: Setting) -> int:
    if not isinstance(note, int):
        raise TypeError
    return note


def _by_class(note: Setting) -> dict[str, int]:
    return msgspec.json.decode(str(note), type=dict[str, int])
