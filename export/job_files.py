"""Writes the rows of all jobs to files, and counts the ledger on the way.

Comes in: a run, the export's settings, and the shards of its sources if images are exported. Goes out: files
at paths that the caller chooses, their final names, and the ledger. Not its job: making rows (see rows), the
folder around the files (see stage).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from triptych.errors import SetupError, UnreadableImageError
from triptych.export.config import ExportConfig
from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import CaptionedFiles
from triptych.export.extra_columns import extra_columns
from triptych.export.formats import FORMATS
from triptych.export.manifest import FileEntry, labels, rows_file_name
from triptych.export.parts import Parts
from triptych.export.rows import RowsJob, ShardRows, rows_by_shard
from triptych.jobs import Job
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import read_unchanged, reader_of
from triptych.runs.ledger import Ledger, ledger_of
from triptych.runs.ledger.captions import JobCounts, ShardCounts, sum_shards
from triptych.runs.ledger.images import recount_images
from triptych.sources.shard import Shard

ListSources = Callable[[], Sequence[Shard]]
"""The shards of a run's sources; called only if images are exported."""


class JobFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one job that were written."""

    files: dict[str, FileEntry]
    """By their final names, which need the count of rows; in order."""
    example: bytes | None
    """The first row, as JSON."""
    counts: JobCounts
    contradictions: list[str]
    """Contradictions between captions and verdicts."""


def write_rows(
    context: RunContext,
    config: ExportConfig,
    job: Job,
    path_of: Callable[[int], Path],
    sources: ListSources = tuple,
) -> JobFiles:
    """Write the kept captions of ``job`` in plan order. ``path_of`` maps the number of a part to its path."""
    container = CONTAINERS[config.file_type]
    settings = {name: state.settings for name, state in context.folder.run_file.stages.items()}
    wanted = RowsJob(
        job=job,
        prompt=context.prompts[job.name].row_text,
        row_format=config.format,
        naming=context.prompts[job.name].naming,
        with_images=container.holds_images,
        columns=extra_columns(job, FORMATS[config.format], settings),
    )
    files_of = files_of_images(context, sources(), job) if container.holds_images else _no_files
    shards: list[ShardCounts] = []
    rows_a_file = config.rows_per_file or container.rows_a_file
    example: bytes | None = None
    with (
        context.progress.task(f"export {job.name}", _planned(context.folder, job), "captions") as task,
        Parts(path_of, config.file_type, wanted.row_type, job=job.name, rows_a_file=rows_a_file) as parts,
    ):
        for shard_rows in rows_by_shard(context, wanted):
            shards.append(shard_rows.counts)
            if example is None and shard_rows.lines:
                example = shard_rows.lines.partition(b"\n")[0]
            parts.write(shard_rows.lines, shard_rows.rewritten, files_of(shard_rows))
            task.advance(shard_rows.counts.captions.planned)
    counts, contradictions = sum_shards(context.folder, job.name, shards)
    label, entries = labels(context.jobs)[job.name], parts.entries
    named = {
        rows_file_name(config.prefix, label, counts.kept or 0, config.file_type, part, len(entries)): entry
        for part, entry in enumerate(entries)
    }
    return JobFiles(files=named, example=example, counts=counts, contradictions=contradictions)


def write_jobs(
    context: RunContext, config: ExportConfig, sources: ListSources, path_of: Callable[[Job, int], Path]
) -> tuple[dict[str, JobFiles], Ledger]:
    """Write the files of each job, and count the ledger. Raises SetupError where it doesn't close: then the
    files are of no use."""
    run = context.folder
    images, contradictions = recount_images(run)
    _refuse(run, contradictions)  # sets that contradict the images can't be looked up
    written = {
        job.name: write_rows(context, config, job, partial(path_of, job), sources) for job in context.jobs
    }
    contradictions = [found for one in written.values() for found in one.contradictions]
    ledger = ledger_of(run, images, {name: one.counts for name, one in written.items()}, contradictions)
    _refuse(run, ledger.violations())
    return written, ledger


def _no_files(_: ShardRows) -> Iterator[CaptionedFiles]:
    return iter(())


def files_of_images(
    context: RunContext, sources: Sequence[Shard], job: Job
) -> Callable[[ShardRows], Iterator[CaptionedFiles]]:
    """Returns a function that reads the images of a shard's rows, one row at a time. It raises SetupError
    where an image is missing or has changed: the export would be incomplete."""
    read = reader_of(context, sources)

    def files(rows: ShardRows) -> Iterator[CaptionedFiles]:
        for caption, images in rows.captioned:
            try:
                found = [read_unchanged(read, job, rows.shard, image) for image in images]
            except UnreadableImageError as error:
                raise SetupError(
                    f"the images can't be exported: {error}; bring it back, run the command that grouped the"
                    " images again, or export without images (--file-type jsonl)"
                ) from None
            yield CaptionedFiles(caption, found)

    return files


def _planned(run: RunFolder, job: Job) -> int | None:
    """How many captions the stage ``captions`` planned; for the progress bar only."""
    captions = run.run_file.stages.get("captions")
    planned = captions.notes.get(f"{job.name}.planned") if captions is not None else None
    return planned if isinstance(planned, int) else None


def _refuse(run: RunFolder, violations: Sequence[str]) -> None:
    """Raise SetupError if there are violations."""
    if violations:
        raise SetupError(
            f"the counts of {run.path} don't add up, so nothing was exported: {violations[0]}"
            f" ({len(violations)} in total; `triptych verify {run.path}` lists them, `triptych repair"
            f" {run.path}` sets aside what is damaged)"
        )
