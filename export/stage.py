"""The stage ``export``: the kept captions as files to train on.

Comes in: images, sets, captions and verdicts of a run. Goes out: ``export/`` with files of rows for each job,
configuration files for trainers, the dataset card and the manifest. The folder is built under another name
and renamed when it is complete; its bytes are the same however often the stage was interrupted. Not its job:
making rows (see rows), file types (see containers).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.export.card import card
from triptych.export.config import ExportConfig
from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import pyarrow
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import FilledFile
from triptych.export.job_files import JobFiles, ListSources, write_jobs
from triptych.export.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    FileEntry,
    Funnel,
    JobEntry,
    Manifest,
    fingerprints,
    read_manifest,
)
from triptych.runs.captions_digest import captions_digest
from triptych.runs.checks import check_folders, check_outcomes, refuse_lost_answers
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import make_folder, sha256_of, sync_directory, write_json, written_whole
from triptych.runs.ledger import Ledger
from triptych.runs.stage_record import JobChecks, Setting, StageState

DATA_VERSION = 6
"""Raise it when the same captions and settings would give other bytes."""

_READ = ("images", "sets.jsonl", "duplicates.jsonl", "screened.jsonl", "verdicts")


def export_run(context: RunContext, config: ExportConfig, sources: ListSources = tuple) -> bool:
    """Write ``export/`` for the run's jobs. Returns False if that was done already.

    A job without kept captions gets a file without rows. Raises SetupError where the verdicts aren't
    finished, a checker's answers are missing, the ledger doesn't close, the export was made with other
    settings, its files have changed since, or other files are in its place.
    """
    run = context.folder
    _check_set_up(run, config)
    # A run that plans no caption at all has no verdicts.
    read = [name for name in _READ if (run.path / name).exists()]
    asked = [
        (job.name, job.subject, job.language, context.prompts[job.name].row_text) for job in context.jobs
    ]
    inputs = {
        # Separate digests, since that of a million images is remembered from earlier stages.
        **{name.removesuffix(".jsonl"): run.digest(name) for name in read},
        "captions": captions_digest(run, context.jobs, context.progress),
        "prompts": hashlib.sha256(msgspec.json.encode(asked)).hexdigest(),
        "jobs": ",".join(job.name for job in context.jobs),
    }
    refuse_lost_answers(run, [job.name for job in context.jobs])
    if checks := _checks(context):
        inputs["checked"] = hashlib.sha256(msgspec.json.encode(checks, order="deterministic")).hexdigest()
    elif check_outcomes(run, [job.name for job in context.jobs]):
        context.progress.say(
            "note: captions were checked after they were filtered;"
            f" `triptych filter {run.path}` takes that into account"
        )
    before = run.run_file.stages.get(run.export_stage)
    if not run.begin_stage(run.export_stage, export_settings(config), inputs):
        run.refuse_changed_files(run.export_stage)
        return False
    try:
        _refuse_foreign_files(run, before)
        replaced = _build(context, config, sources)
    except BaseException:
        run.restore_stage(run.export_stage, before)
        raise
    sync_directory(run.export_folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)
    run.finish_stage(run.export_stage, wrote=_digests_of_files(run, run.export_folder))
    return True


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a dry run."""

    folder: Path
    files: Mapping[str, FileEntry]
    """Files with rows, by name; the others add some kilobytes."""
    free_bytes: int


def try_export(context: RunContext, config: ExportConfig, sources: ListSources = tuple) -> DryRun:
    """What ``export_run`` would write, with exact sizes: all rows are made and thrown away. Changes nothing,
    and raises what ``export_run`` would raise."""
    run = context.folder
    _check_set_up(run, config)
    refuse_lost_answers(run, [job.name for job in context.jobs])
    _refuse_foreign_files(run, run.run_file.stages.get(run.export_stage))
    written, _ = write_jobs(context, config, sources, lambda *_: Path(os.devnull))
    files = {name: entry for one in written.values() for name, entry in one.files.items()}
    return DryRun(folder=run.export_folder, files=files, free_bytes=shutil.disk_usage(run.path).free)


def _build(context: RunContext, config: ExportConfig, sources: ListSources) -> Path:
    """Write everything to another folder, and rename it. Returns where the export before is then.

    Raises SetupError where the ledger doesn't close; then nothing that was written is left.
    """
    run = context.folder
    building = run.export_folder.with_name(run.export_folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    make_folder(building)
    try:
        written, ledger = write_jobs(
            context, config, sources, lambda job, part: building / f"{job.name}.{part}.part"
        )
        for job_name, one in written.items():
            for part, name in enumerate(one.files):
                (building / f"{job_name}.{part}.part").rename(building / name)
        _describe(building, context, config, written, ledger)
        sync_directory(building)
        run.run_file.stages[run.export_stage].wrote |= _digests_of_files(run, building)
        run.save()  # else, after a kill, a damaged manifest would make these files look foreign
        return _replace_folder(run.export_folder, building)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _replace_folder(folder: Path, building: Path) -> Path:
    """Replace ``folder`` by ``building``. Returns the path of the old folder, which isn't deleted yet: a file
    of it may be open."""
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        building.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    return old


def _describe(
    folder: Path,
    context: RunContext,
    config: ExportConfig,
    written: Mapping[str, JobFiles],
    ledger: Ledger,
) -> None:
    """Write the trainers' configuration files, the card, and last the manifest."""
    files = {name: entry for one in written.values() for name, entry in one.files.items()}
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
        funnel=Funnel(images=ledger.images, jobs=ledger.jobs),
        checks=_checks(context),
        versions=dict(context.folder.run_file.versions),
        stages=fingerprints(context.folder),
    )
    languages = {job.language: context.language(job) for job in context.jobs}
    examples = {name: one.example for name, one in written.items() if one.example is not None}
    with written_whole(folder / CARD_NAME) as file:
        kinds = Counter(each.kind for each in context.folder.sets())
        file.write(card(config, manifest, languages, examples, kinds).encode())
    files[CARD_NAME] = _plain_entry(folder / CARD_NAME)
    write_json(folder / MANIFEST_NAME, manifest)


def _checks(context: RunContext) -> dict[str, JobChecks]:
    """The outcome of the checks of each job, if the verdicts take them into account."""
    run, names = context.folder, [job.name for job in context.jobs]
    verdicts, counted = run.run_file.stages.get("verdicts"), check_folders(run, names)
    now = run.digest(*counted) if counted else None
    if verdicts is None or verdicts.inputs.get("checks") != now:
        return {}
    found = check_outcomes(run, names)
    return {job: msgspec.structs.replace(each, made_of=None) for job, each in found.items()}


def _digests_of_files(run: RunFolder, folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of the export in ``folder``, by its final path below the run folder."""
    hashes = {name: entry.sha256 for name, entry in read_manifest(folder).files.items()}
    hashes[MANIFEST_NAME] = sha256_of(folder / MANIFEST_NAME)
    return {f"{run.export_stage}/{name}": sha256 for name, sha256 in hashes.items()}


def _plain_entry(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def companions(config: ExportConfig, files: Mapping[str, FileEntry]) -> Mapping[str, Mapping[str, object]]:
    """The trainers' configuration files, which refer to JSON Lines: other file types have none. Files without
    rows are left out, since a trainer can't sample from them."""
    if config.file_type != "jsonl":
        return {}
    parts = Counter(entry.job for entry in files.values())
    seen: Counter[str | None] = Counter()
    filled = []
    for name, entry in files.items():
        part = f"_{seen[entry.job]:05d}" if parts[entry.job] > 1 else ""
        seen[entry.job] += 1
        if entry.rows:
            filled.append(FilledFile(name=name, entry=f"{config.prefix}_{entry.job}{part}", rows=entry.rows))
    return FORMATS[config.format].companions(config.prefix, config.image_root, filled)


def _check_set_up(run: RunFolder, config: ExportConfig) -> None:
    """Raise SetupError where this run can't be exported with these settings."""
    if not run.is_finished("verdicts"):
        raise SetupError(
            f"the captions of {run.path} are not filtered yet, so they can't be exported;"
            f" run `triptych filter {run.path}` first"
        )
    if CONTAINERS[config.file_type].needs_pyarrow:
        pyarrow()
    run.refuse_other_settings(run.export_stage, export_settings(config))


def _refuse_foreign_files(run: RunFolder, state: StageState | None) -> None:
    """Raise SetupError where the export's folder has files that no export has written: they would be deleted.
    ``state`` is the stage's state so far."""
    folder = run.export_folder
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        raise SetupError(
            f"{folder} is a link, which an export can't replace; make {folder.parent} one instead, or name"
            " another export with --to",
            path=folder,
        )
    if state is None or not folder.is_dir():
        raise SetupError(
            f"{folder} exists and is no export of this run; move it, or name another export with --to",
            path=folder,
        )
    own = set(state.wrote)
    with contextlib.suppress(OSError, SetupError):  # the export wasn't finished, or is damaged
        own |= {f"{run.export_stage}/{name}" for name in (*read_manifest(folder).files, MANIFEST_NAME)}
    there = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    other = sorted({path.relative_to(run.path).as_posix() for path in there} - own)
    if other:
        more = f" (and {len(other) - 1:,} more)" if other[1:] else ""
        raise SetupError(
            f"{run.path / other[0]}{more} wasn't written by this export, whose folder will be replaced;"
            " move it elsewhere",
            path=run.path / other[0],
        )


def export_settings(config: ExportConfig) -> dict[str, Setting]:
    """The settings that the bytes of an export depend on."""
    return {"data_version": DATA_VERSION, **msgspec.structs.asdict(config)}
