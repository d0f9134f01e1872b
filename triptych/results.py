"""What a stage came to, as ``Run`` returns it.

Comes in: a run, and whether the stage had work to do. Goes out: counts, by name, read when they are first
asked for. Not its job: counting (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from triptych.jobs import Job
from triptych.runs.folder import RunFolder

if TYPE_CHECKING:
    from triptych.export.manifest import FileEntry
    from triptych.runs.ledger import Ledger
    from triptych.runs.ledger.captions import JobCounts
    from triptych.runs.ledger.images import ImageCounts


class StageResult:
    """The base: whether there was anything to do, and the ledger after it."""

    def __init__(self, folder: RunFolder, jobs: Sequence[Job], *, did_work: bool) -> None:
        self._folder, self._jobs = folder, jobs
        self.did_work = did_work
        """False where the stage was done already."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {str(self._folder.path)!r}: did_work={self.did_work}>"

    @cached_property
    def ledger(self) -> Ledger:
        """Every count of the run, as the stages have noted it; from its files where they haven't."""
        from triptych.runs.ledger import recount
        from triptych.runs.ledger.noted import noted_ledger

        return noted_ledger(self._folder, self._jobs) or recount(self._folder, self._jobs)


class GroupResult(StageResult):
    """Of embeddings, duplicates and sets."""

    @property
    def images(self) -> ImageCounts:
        """Files found: unreadable, screened out, duplicates, in sets, single."""
        return self.ledger.images


class CaptionResult(StageResult):
    """Of captions."""

    @property
    def jobs(self) -> Mapping[str, JobCounts]:
        """By job: planned, captioned, failed by class of failure."""
        return self.ledger.jobs


class FilterResult(StageResult):
    """Of verdicts."""

    @property
    def jobs(self) -> Mapping[str, JobCounts]:
        """By job: kept, and rejected by the first rule that rejects."""
        return self.ledger.jobs

    def kept_share(self, job: str) -> float:
        """Of the captions of ``job`` that were made, the share that is kept, in [0, 1]; 0 where none was."""
        counts = self.jobs[job]
        return (counts.kept or 0) / counts.captioned if counts.captioned else 0.0


class ExportResult(StageResult):
    """Of the files for trainers."""

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._folder.export_folder

    @cached_property
    def files(self) -> Mapping[str, FileEntry]:
        """By name: size, checksum and, of those with rows, job and number of rows."""
        from triptych.export.manifest import read_manifest

        return read_manifest(self.folder).files


class RunResult(StageResult):
    """Of all stages."""

    def __init__(
        self,
        group: GroupResult,
        caption: CaptionResult,
        filter: FilterResult,
        export: ExportResult,
    ) -> None:
        stages = (group, caption, filter, export)
        super().__init__(export._folder, export._jobs, did_work=any(stage.did_work for stage in stages))
        self.group, self.caption, self.filter, self.export = stages
