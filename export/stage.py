"""The stage ``export``: the kept captions as files to train on.

Comes in: images, sets, captions and verdicts of a run. Goes out: ``export/`` with a file of rows a job,
what trainers are started with, the dataset card, Croissant metadata and the manifest; all of it or none
of it, the same bytes for the same run however often it was interrupted. Not its job: writing them (see
build).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.export.build import Build, jobs_of, write_jobs
from triptych.export.config import ExportConfig
from triptych.export.file_names import rows_file_name
from triptych.runs.captioned import captions_digest
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting

DATA_VERSION = 2
"""Raise it when the same captions and settings would give other bytes."""

_READ = ("images", "sets.jsonl", "duplicates.jsonl", "verdicts")


def export_run(context: RunContext, config: ExportConfig) -> bool:
    """Write ``export/`` for the run's jobs. Returns False if that was done already.

    A job without any kept caption
    still gets its file, with no rows. Raises SetupError where the verdicts aren't finished, the
    ledger doesn't close, or the export was made with other settings.
    """
    run, progress = context.folder, context.progress
    asked = _asked(context)
    _check_set_up(run, config)
    # A run that plans no caption at all has no verdicts.
    read = [name for name in _READ if (run.path / name).exists()]
    inputs = {
        # One by one: that of a million images is remembered from the stages before.
        **{name.removesuffix(".jsonl"): run.digest(name) for name in read},
        "captions": captions_digest(run, context.jobs, progress),
        "prompts": hashlib.sha256(msgspec.json.encode(asked)).hexdigest(),
        "jobs": ",".join(asked),
    }
    if not run.begin_stage("export", _settings(config), inputs):
        return False
    Build(context, config, asked).all_files()
    run.finish_stage("export")
    return True


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an export would write."""

    name: str
    rows: int
    size_bytes: int


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What an export would come to."""

    files: list[PlannedFile]
    """Those with rows; card, metadata and manifest add some kilobytes."""
    free_bytes: int


def try_export(context: RunContext, config: ExportConfig) -> DryRun:
    """What ``export_run`` would write, with exact sizes: every row is made, none is kept.

    Changes nothing, and raises what ``export_run`` would raise.
    """
    run, progress = context.folder, context.progress
    _check_set_up(run, config)
    planned = jobs_of(context, config)
    written, _ = write_jobs(run, planned, config.file_type, lambda _: Path(os.devnull), progress)
    files = []
    for job, one in written.items():
        rows = one.entry.rows or 0
        name = rows_file_name(config.prefix, job, rows, config.file_type)
        files.append(PlannedFile(name=name, rows=rows, size_bytes=one.entry.size_bytes))
    return DryRun(files=files, free_bytes=shutil.disk_usage(run.path).free)


def _asked(context: RunContext) -> dict[str, str]:
    """The words that the captions of each job answer."""
    return {job.name: context.prompts[job.name].text for job in context.jobs}


def _check_set_up(run: RunFolder, config: ExportConfig) -> None:
    """Raises SetupError where this run can't be exported with these settings."""
    if not run.is_finished("verdicts"):
        raise SetupError(
            f"the captions of {run.path} are not filtered yet, so they can't be exported;"
            f" run `triptych filter {run.path}` first"
        )
    if config.file_type != "jsonl":
        from triptych.export.arrow import require_pyarrow

        require_pyarrow()
    run.refuse_other_settings("export", _settings(config))


def _settings(config: ExportConfig) -> dict[str, Setting]:
    return {"data_version": DATA_VERSION, **msgspec.structs.asdict(config)}
