"""The results that the stages of a ``Run`` return.

Comes in: a run folder, and whether the stage had work to do. Goes out: counts, which are read on first
access. Not its job: counting (see runs.ledger).
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
    """The base class: whether the stage had work to do, and the run's ledger."""

    def __init__(self, folder: RunFolder, jobs: Sequence[Job], *, did_work: bool) -> None:
        self._folder, self._jobs = folder, jobs
        self.did_work = did_work
        """False if the stage was done already."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {str(self._folder.path)!r}: did_work={self.did_work}>"

    @cached_property
    def ledger(self) -> Ledger:
        """Every count of the run: as the stages noted it, or else recounted from its files."""
        from triptych.runs.ledger import recount
        from triptych.runs.ledger.noted import noted_ledger

        return noted_ledger(self._folder, self._jobs) or recount(self._folder, self._jobs)


class GroupResult(StageResult):
    """The result of embedding, deduplication and set making."""

    @property
    def images(self) -> ImageCounts:
        """The files found, and how many are unreadable, screened out, duplicates, in sets, single."""
        return self.ledger.images


class CaptionResult(StageResult):
    """The result of captioning."""

    @property
    def jobs(self) -> Mapping[str, JobCounts]:
        """By job: how many are planned, captioned, and failed by class of failure."""
        return self.ledger.jobs


class FilterResult(StageResult):
    """The result of filtering."""

    @property
    def jobs(self) -> Mapping[str, JobCounts]:
        """By job: how many are kept, and how many each rule was the first to reject."""
        return self.ledger.jobs

    def kept_share(self, job: str) -> float:
        """The share of the captions of ``job`` that are kept, in [0, 1]; 0 if there are none."""
        counts = self.jobs[job]
        return (counts.kept or 0) / counts.captioned if counts.captioned else 0.0


class ExportResult(StageResult):
    """The result of an export."""

    @property
    def folder(self) -> Path:
        """The folder of the exported files."""
        return self._folder.export_folder

    @cached_property
    def files(self) -> Mapping[str, FileEntry]:
        """By file name: size, checksum and, for files with rows, job and number of rows."""
        from triptych.export.manifest import read_manifest

        return read_manifest(self.folder).files


class RunResult(StageResult):
    """The results of all stages."""

    def __init__(
        self, group: GroupResult, caption: CaptionResult, filter: FilterResult, export: ExportResult
    ) -> None:
        stages = (group, caption, filter, export)
        super().__init__(export._folder, export._jobs, did_work=any(stage.did_work for stage in stages))
        self.group, self.caption, self.filter, self.export = stages
