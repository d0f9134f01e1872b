"""The stage ``export``: the kept captions as files to train on.

Comes in: images, sets, captions and verdicts of a run. Goes out: ``export/`` with a file of rows a job, what
trainers are started with, the dataset card and the manifest; all of it or none of it, the same bytes for the
same run however often it was interrupted. It is built beside its place and renamed to it when it is whole.
Not its job: making rows (see rows), what lies between rows and bytes (see containers).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.export.card import card
from triptych.export.config import ExportConfig
from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import pyarrow
from triptych.export.containers.rows_file import RowsFile
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import FilledFile
from triptych.export.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    FileEntry,
    JobEntry,
    Manifest,
    fingerprints,
    funnel_of,
    labels,
    read_manifest,
    rows_file_name,
)
from triptych.export.rows import RowsJob, rows_by_shard
from triptych.jobs import Job
from triptych.runs.captions_digest import captions_digest
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import make_folder, sha256_of, sync_directory, write_json, written_whole
from triptych.runs.ledger import Ledger, ledger_of
from triptych.runs.ledger.captions import JobCounts, JobRecount
from triptych.runs.ledger.images import recount_images
from triptych.runs.stage_record import Setting

DATA_VERSION = 3
"""Raise it when the same captions and settings would give other bytes."""

_READ = ("images", "sets.jsonl", "duplicates.jsonl", "verdicts")


def export_run(context: RunContext, config: ExportConfig) -> bool:
    """Write ``export/`` for the run's jobs. Returns False if that was done already.

    A job without any kept caption still gets its file, with no rows. Raises SetupError where the verdicts
    aren't finished, the ledger doesn't close, the export was made with other settings, or its files have
    changed since.
    """
    run = context.folder
    _check_set_up(run, config)
    # A run that plans no caption at all has no verdicts.
    read = [name for name in _READ if (run.path / name).exists()]
    asked = [
        (job.name, job.subject, job.language, context.prompts[job.name].row_text) for job in context.jobs
    ]
    inputs = {
        # One by one: that of a million images is remembered from the stages before.
        **{name.removesuffix(".jsonl"): run.digest(name) for name in read},
        "captions": captions_digest(run, context.jobs, context.progress),
        "prompts": hashlib.sha256(msgspec.json.encode(asked)).hexdigest(),
        "jobs": ",".join(job.name for job in context.jobs),
    }
    before = run.run_file.stages.get(run.export_stage)
    if not run.begin_stage(run.export_stage, export_settings(config), inputs):
        run.refuse_changed_files(run.export_stage)
        return False
    try:
        _build(context, config)
    except BaseException:
        run.restore_stage(run.export_stage, before)
        raise
    run.finish_stage(run.export_stage, wrote=_wrote(run))
    return True


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an export would write."""

    name: str
    rows: int
    size_bytes: int


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What an export would come to."""

    folder: Path
    files: list[PlannedFile]
    """Those with rows; card, manifest and what trainers are started with add some kilobytes."""
    free_bytes: int


def try_export(context: RunContext, config: ExportConfig) -> DryRun:
    """What ``export_run`` would write, with exact sizes: every row is made, none is kept.

    Changes nothing, and raises what ``export_run`` would raise.
    """
    run = context.folder
    _check_set_up(run, config)
    written, _ = write_jobs(context, config, lambda _: Path(os.devnull))
    files = [
        PlannedFile(name=one.name, rows=one.entry.rows or 0, size_bytes=one.entry.size_bytes)
        for one in written.values()
    ]
    return DryRun(folder=run.export_folder, files=files, free_bytes=shutil.disk_usage(run.path).free)


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows that was written."""

    name: str
    """What it is to be called, now that its rows are counted."""
    entry: FileEntry
    example: bytes | None
    """Its first row, as JSON."""
    counts: JobCounts
    contradictions: list[str]
    """Where the captions and verdicts that were read for it contradict each other."""


def write_rows(context: RunContext, config: ExportConfig, job: Job, path: Path) -> Written:
    """The kept captions of ``job`` in plan order, in a file at ``path``."""
    wanted = RowsJob(job=job, prompt=context.prompts[job.name].row_text, row_format=config.format)
    recount = JobRecount(context.folder, job.name)
    rewritten = 0
    example: bytes | None = None
    with (
        context.progress.task(f"export {job.name}", _planned(context.folder, job), "captions") as task,
        RowsFile(path, config.file_type, wanted.row_type) as file,
    ):
        for shard_rows in rows_by_shard(context, wanted):
            recount.add(shard_rows.counts)
            rewritten += shard_rows.rewritten
            if example is None and shard_rows.lines:
                example = shard_rows.lines.partition(b"\n")[0]
            file.write(shard_rows.lines)
            task.advance(shard_rows.counts.captions.planned)
    counts = recount.counts()
    rows = counts.kept or 0
    entry = FileEntry(
        sha256=file.sha256, size_bytes=file.size_bytes, job=job.name, rows=rows, rewritten=rewritten
    )
    name = rows_file_name(config.prefix, labels(context.jobs)[job.name], rows, config.file_type)
    return Written(
        name=name, entry=entry, example=example, counts=counts, contradictions=recount.contradictions()
    )


def write_jobs(
    context: RunContext, config: ExportConfig, path_of: Callable[[Job], Path]
) -> tuple[dict[str, Written], Ledger]:
    """A file for each job, and the ledger that was counted on the way.

    Raises SetupError where it doesn't close: then the files are no good.
    """
    run = context.folder
    images, contradictions = recount_images(run)
    _refuse(run, contradictions)  # sets that contradict the images can't be looked up
    written = {job.name: write_rows(context, config, job, path_of(job)) for job in context.jobs}
    contradictions = [found for one in written.values() for found in one.contradictions]
    ledger = ledger_of(run, images, {name: one.counts for name, one in written.items()}, contradictions)
    _refuse(run, ledger.violations())
    return written, ledger


def _build(context: RunContext, config: ExportConfig) -> None:
    """Write everything, then give the folder its name.

    Raises SetupError where the ledger doesn't close; then nothing is left of what was written.
    """
    run = context.folder
    building = run.export_folder.with_name(run.export_folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    make_folder(building)
    try:
        written, ledger = write_jobs(context, config, lambda job: building / f"{job.name}.part")
        for job_name, one in written.items():
            (building / f"{job_name}.part").rename(building / one.name)
        _describe(building, context, config, written, ledger)
        sync_directory(building)
        # What lies there is left from a run that was stopped before it could say it had finished.
        if run.export_folder.exists():
            shutil.rmtree(run.export_folder)
        building.replace(run.export_folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    sync_directory(run.export_folder.parent)


def _describe(
    folder: Path,
    context: RunContext,
    config: ExportConfig,
    written: Mapping[str, Written],
    ledger: Ledger,
) -> None:
    """What trainers are started with, the card, and last the manifest."""
    files = {one.name: one.entry for one in written.values()}
    for name, content in companions(config, files).items():
        write_json(folder / name, content)
        files[name] = _plain_entry(folder / name)
    manifest = Manifest(
        row_format=config.format,
        file_type=config.file_type,
        files=files,
        jobs={
            job.name: JobEntry(
                subject=job.subject, language=job.language, prompt=context.prompts[job.name].row_text
            )
            for job in context.jobs
        },
        funnel=funnel_of(ledger),
        versions=dict(context.folder.run_file.versions),
        stages=fingerprints(context.folder),
    )
    languages = {job.language: context.language(job) for job in context.jobs}
    examples = {name: one.example for name, one in written.items() if one.example is not None}
    with written_whole(folder / CARD_NAME) as file:
        file.write(card(config, manifest, languages, examples).encode())
    files[CARD_NAME] = _plain_entry(folder / CARD_NAME)
    write_json(folder / MANIFEST_NAME, manifest)


def _wrote(run: RunFolder) -> dict[str, str]:
    """The SHA-256 of each file of an export, by its path below the run folder."""
    folder = run.export_folder
    hashes = {name: entry.sha256 for name, entry in read_manifest(folder).files.items()}
    hashes[MANIFEST_NAME] = sha256_of(folder / MANIFEST_NAME)
    return {f"{run.export_stage}/{name}": sha256 for name, sha256 in hashes.items()}


def _plain_entry(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def companions(config: ExportConfig, files: Mapping[str, FileEntry]) -> Mapping[str, Mapping[str, object]]:
    """The files that trainers are started with. They name JSON Lines, so only those have any.

    A file without rows is left out of them: a trainer can't sample from nothing.
    """
    if config.file_type != "jsonl":
        return {}
    filled = [
        FilledFile(name=name, entry=f"{config.prefix}_{entry.job}", rows=entry.rows)
        for name, entry in files.items()
        if entry.rows
    ]
    return FORMATS[config.format].companions(config.prefix, config.image_root, filled)


def _planned(run: RunFolder, job: Job) -> int | None:
    """How many captions were planned when they were made, for the progress alone."""
    captions = run.run_file.stages.get("captions")
    planned = captions.notes.get(f"{job.name}.planned") if captions is not None else None
    return planned if isinstance(planned, int) else None


def _check_set_up(run: RunFolder, config: ExportConfig) -> None:
    """Raises SetupError where this run can't be exported with these settings."""
    if not run.is_finished("verdicts"):
        raise SetupError(
            f"the captions of {run.path} are not filtered yet, so they can't be exported;"
            f" run `triptych filter {run.path}` first"
        )
    if CONTAINERS[config.file_type].needs_pyarrow:
        pyarrow()
    run.refuse_other_settings(run.export_stage, export_settings(config))


def _refuse(run: RunFolder, violations: Sequence[str]) -> None:
    """Raise SetupError where there are any."""
    if violations:
        raise SetupError(
            f"the counts of {run.path} don't add up, so nothing was exported: {violations[0]}"
            f" ({len(violations)} in total; `triptych verify {run.path}` lists them, `triptych repair"
            f" {run.path}` sets aside what is damaged)"
        )


def export_settings(config: ExportConfig) -> dict[str, Setting]:
    """What an export depends on, besides what it exports."""
    return {"data_version": DATA_VERSION, **msgspec.structs.asdict(config)}
