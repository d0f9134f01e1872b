"""The export folder in the making: built beside its final place, and renamed to it when it is whole.

Comes in: a run with verdicts. Goes out: ``export/``. Not its job: whether there is anything to do
(see stage), making rows (see workers).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.export.account import images_recounted, refuse_open
from triptych.export.card import card
from triptych.export.config import ExportConfig, FileType
from triptych.export.croissant import croissant
from triptych.export.file_names import CARD_NAME, CROISSANT_NAME, MANIFEST_NAME, rows_file_name
from triptych.export.formats import FORMATS, layout_of
from triptych.export.kept import Job, ShardDone
from triptych.export.manifest import FileEntry, Manifest, fingerprints, funnel_of
from triptych.export.rows_file import RowsFile
from triptych.export.workers import rows_of
from triptych.progress import Progress
from triptych.records import JobName, is_multi
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of, sync_directory, write_json, written_whole
from triptych.runs.ledger import Ledger, ledger_of
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.old_captions import JobRecount


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows that was written."""

    entry: FileEntry
    example: bytes | None
    """Its first row, as JSON."""
    counts: JobCounts
    offences: list[str]
    """What the captions and verdicts that were read for it say against each other."""


def write_rows(run: RunFolder, job: Job, file_type: FileType, path: Path, progress: Progress) -> Written:
    """The kept captions of ``job`` in plan order, in a file at ``path``."""
    recount = JobRecount(run, job.name)
    rows = rewritten = 0
    example: bytes | None = None
    row_type = FORMATS[job.row_format].row_type(layout_of(job.name))
    with (
        progress.task(f"export {job.name}", _planned(run, job.name), "captions") as task,
        RowsFile(path, file_type, row_type) as file,
    ):
        for part in rows_of(run, job):
            if isinstance(part, ShardDone):
                recount.add(part.shard, part.counts)
                rows += part.counts.kept
                rewritten += part.rewritten
                task.advance(part.counts.planned)
            else:
                if example is None:
                    example = bytes(part).partition(b"\n")[0]
                file.write(part)
    entry = FileEntry(
        sha256=file.sha256, size_bytes=file.size_bytes, job=job.name, rows=rows, rewritten=rewritten
    )
    return Written(entry=entry, example=example, counts=recount.counts(), offences=recount.offences())


def _planned(run: RunFolder, job: JobName) -> int | None:
    """How many captions were planned when they were made, for the progress alone."""
    captions = run.run_file.stages.get("captions")
    planned = captions.notes.get(f"{job}.planned") if captions is not None else None
    return planned if isinstance(planned, int) else None


def write_jobs(
    run: RunFolder,
    jobs: Sequence[Job],
    file_type: FileType,
    path_of: Callable[[JobName], Path],
    progress: Progress,
) -> tuple[dict[JobName, Written], Ledger]:
    """A file for each job, and the ledger that was counted on the way.

    Raises SetupError where it doesn't close: then the files are no good.
    """
    written: dict[JobName, Written] = {}
    with images_recounted(run) as recounted:
        for job in jobs:
            if is_multi(job.name):
                # Sets that contradict the images can't be looked up.
                refuse_open(run, recounted()[1])
            written[job.name] = write_rows(run, job, file_type, path_of(job.name), progress)
        images, contradictions = recounted()
    for one in written.values():
        contradictions = contradictions + one.offences
    ledger = ledger_of(run, images, {name: one.counts for name, one in written.items()}, contradictions)
    refuse_open(run, ledger.violations())
    return written, ledger


class Build:
    """One export in the making, in a folder beside the final one."""

    def __init__(
        self,
        context: RunContext,
        config: ExportConfig,
        prompts: Mapping[JobName, str],
    ) -> None:
        run = context.folder
        self._context, self._run, self._config, self._prompts = context, run, config, prompts
        self._progress = context.progress
        self._folder = run.export_folder.with_name(run.export_folder.name + ".part")
        self._files: dict[str, FileEntry] = {}
        self._examples: dict[JobName, bytes] = {}

    def all_files(self) -> None:
        """Write everything, then give the folder its name.

        Raises SetupError where the ledger doesn't close; then nothing is left of what was written.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        try:
            jobs = jobs_of(self._context, self._config)
            written, ledger = write_jobs(
                self._run, jobs, self._config.file_type, self._growing, self._progress
            )
            for name, one in written.items():
                self._name(name, one)
            self._write_about(ledger)
            sync_directory(self._folder)
            # What lies there is left from a run that was stopped before it could say it had finished.
            if self._run.export_folder.exists():
                shutil.rmtree(self._run.export_folder)
            self._folder.replace(self._run.export_folder)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        sync_directory(self._run.path)

    def _growing(self, job: JobName) -> Path:
        """The rows of ``job`` before they are counted, and so named."""
        return self._folder / f"{job}.part"

    def _name(self, job: JobName, written: Written) -> None:
        name = rows_file_name(self._config.prefix, job, written.entry.rows or 0, self._config.file_type)
        self._growing(job).rename(self._folder / name)
        self._files[name] = written.entry
        if written.example is not None:
            self._examples[job] = written.example

    def _write_about(self, ledger: Ledger) -> None:
        """What trainers are started with, Croissant metadata, the card, and last the manifest."""
        with_rows = {name: entry for name, entry in self._files.items() if entry.rows}
        for name, content in companions(self._config, with_rows).items():
            self._write_json(name, content)
        funnel, stages = funnel_of(ledger), fingerprints(self._run)
        self._write_json(CROISSANT_NAME, croissant(self._config, self._files, self._prompts, funnel, stages))
        text = card(self._config, self._files, self._examples, self._prompts, funnel, stages)
        with written_whole(self._folder / CARD_NAME) as file:
            file.write(text.encode())
        self._add_plain(CARD_NAME)
        manifest = Manifest(
            row_format=self._config.format,
            file_type=self._config.file_type,
            files=self._files,
            prompts=dict(self._prompts),
            funnel=funnel,
            versions=dict(self._run.run_file.versions),
            stages=stages,
        )
        write_json(self._folder / MANIFEST_NAME, manifest)

    def _write_json(self, name: str, content: Mapping[str, object]) -> None:
        write_json(self._folder / name, content)
        self._add_plain(name)

    def _add_plain(self, name: str) -> None:
        path = self._folder / name
        self._files[name] = FileEntry(sha256=sha256_of(path), size_bytes=path.stat().st_size)


def jobs_of(run: RunContext, config: ExportConfig) -> list[Job]:
    """What is to be written, in order."""
    return [Job(job=job, prompt=run.prompts[job.name].text, row_format=config.format) for job in run.jobs]


def companions(
    config: ExportConfig, with_rows: Mapping[str, FileEntry]
) -> Mapping[str, Mapping[str, object]]:
    """The files that trainers are started with. They name JSON Lines, so only those have any.

    A file without rows is left out of them: a trainer can't sample from nothing.
    """
    return FORMATS[config.format].companions(config, with_rows) if config.file_type == "jsonl" else {}
