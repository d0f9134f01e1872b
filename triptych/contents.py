"""The contents of a run: its jobs, its counts, its records as iterators, its captions as a table.

Comes in: a run folder with its config. Goes out: records in the order of the run, and tables for pandas,
Arrow and ``datasets``. Read-only. Not its job: the stages (see api), making rows for trainers (see export).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from triptych.config import Config
from triptych.errors import SetupError, UsageError
from triptych.extras import is_installed, require
from triptych.jobs import Job
from triptych.progress import Progress
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import export_stage

if TYPE_CHECKING:
    import datasets
    import pandas
    import pyarrow

    from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Screened, Verdict
    from triptych.runs.context import RunContext
    from triptych.runs.ledger import Ledger
    from triptych.runs.plan import Planned

ROWS_A_BATCH = 4096
"""How many rows are Python objects at a time; the rest are in Arrow arrays."""


class RunContents:
    """One run folder, to read from."""

    def __init__(self, folder: RunFolder, config: Config, progress: Progress) -> None:
        self.folder = folder
        self.config = config
        self.progress = progress

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that this run has begun, with their planned limits; before that, the chosen ones."""
        captions = self.folder.run_file.stages.get("captions")
        notes = captions.notes if captions is not None else {}
        begun = tuple(
            job if (limit := notes.get(f"{job.name}.limit")) is None else job.limited_to(int(limit))
            for job in self.config.all_jobs()
            if f"{job.name}.planned" in notes
        )
        return begun or self.config.chosen_jobs()

    @property
    def context(self) -> RunContext:
        """The context of a stage, with these jobs."""
        return self._context(self.jobs)

    def _context(self, jobs: tuple[Job, ...]) -> RunContext:
        from triptych.executors.local import LocalExecutor
        from triptych.prompts import load_prompts
        from triptych.runs.context import RunContext
        from triptych.runs.executor_heartbeats import with_heartbeats

        return RunContext(
            folder=self.folder,
            jobs=jobs,
            prompts=load_prompts(jobs),
            added_languages=self.config.languages,
            text_field=self.config.input.text,
            image_cache=self.config.input.opened_cache(),
            progress=self.progress,
            open_executor=with_heartbeats(LocalExecutor, self.path),
        )

    def ledger(self, progress: Progress | None = None) -> Ledger:
        """Every count of the run, recounted from its files; no stored counter is trusted."""
        from triptych.runs.ledger import recount

        return recount(self.folder, self.jobs, progress)

    def noted_ledger(self) -> Ledger | None:
        """The ledger as the stages noted it, without counting; None if a count is missing."""
        from triptych.runs.ledger.noted import noted_ledger

        return noted_ledger(self.folder, self.jobs)

    def images(self) -> Iterator[ImageRecord]:
        """Every file that was found, shard by shard; ``unreadable`` says why one isn't an image."""
        return self.folder.all_images()

    def screened(self) -> Iterator[Screened]:
        """Images that were screened out before sets were made."""
        return self.folder.screened()

    def duplicates(self) -> Iterator[Duplicate]:
        """Images that were left out as duplicates, and which image each repeats."""
        return self.folder.duplicates()

    def sets(self) -> Iterator[ImageSet]:
        """Sets of related images."""
        return self.folder.sets()

    def planned(self, job: str) -> Iterator[Planned]:
        """Every image or set that ``job`` captions, in plan order, with its caption and verdict so far.

        Raises UsageError if the run has no such job.
        """
        context = self.context
        for _, planned in context.plan(context.job(job)).read_all(verdicts=True):
            yield from planned

    def captions(self, job: str, *, kept: bool | None = None) -> Iterator[Caption]:
        """The captions of ``job`` in plan order, without failed ones, with people's edits.

        ``kept``: True for those that the filter kept, False for those that it rejected, None for all.
        """
        for planned in self.planned(job):
            caption, verdict = planned.caption, planned.verdict
            if caption is None or caption.failure is not None:
                continue
            if kept is None or (verdict is not None and verdict.keep == kept):
                yield msgspec.structs.replace(caption, text=planned.text)

    def verdicts(self, job: str) -> Iterator[Verdict]:
        """The verdict on each caption of ``job``, in plan order."""
        return (each.verdict for each in self.planned(job) if each.verdict is not None)

    def rows(self, job: str, export: str = "") -> Iterator[dict[str, Any]]:
        """The rows of ``job`` in the export named ``export``, as in its files.

        Raises SetupError if nothing was exported, UsageError if that export has no such job.
        """
        from triptych.export.containers import CONTAINERS
        from triptych.export.manifest import read_manifest

        folder = self.folder.with_export(export_stage(export)).export_folder
        manifest = read_manifest(folder)
        if job not in manifest.jobs:
            raise UsageError(f"{folder} has no job {job!r}; it has {', '.join(manifest.jobs)}")
        for name, entry in manifest.files.items():
            if entry.job == job:
                for line in CONTAINERS[manifest.file_type].lines(folder / name):
                    yield msgspec.json.decode(line)

    def to_arrow(self, job: str) -> pyarrow.Table:
        """All targets of ``job`` with their captions, as a table (see captions_table). Needs pyarrow."""
        return captions_table(self.planned(job))

    def to_pandas(self, job: str) -> pandas.DataFrame:
        """The same as a pandas DataFrame. Raises SetupError if pyarrow or pandas is missing."""
        _require_installed("pandas", "to_pandas")
        frame: pandas.DataFrame = self.to_arrow(job).to_pandas()
        return frame

    def to_dataset(self, job: str) -> datasets.Dataset:
        """The same as a Hugging Face Dataset. Raises SetupError if pyarrow or datasets is missing."""
        _require_installed("datasets", "to_dataset")
        import datasets

        return datasets.Dataset(self.to_arrow(job))


def _require_installed(package: str, what: str) -> None:
    """For packages that no extra has: whoever wants their objects has them anyway."""
    if not is_installed(package):
        raise SetupError(f"{what} needs {package}, which isn't installed; `uv pip install {package}`")


def captions_table(planned: Iterable[Planned]) -> pyarrow.Table:
    """One row per caption: id, images (keys), widths_px, heights_px, text, finish_reason, kept, reason.

    ``kept`` and ``reason`` are null if there is no verdict. Raises SetupError if pyarrow is missing.
    """
    require("arrow", "pyarrow", what="a table of captions")
    import pyarrow as arrow

    schema = arrow.schema(
        [
            ("id", arrow.string()),
            ("images", arrow.list_(arrow.string())),
            ("widths_px", arrow.list_(arrow.int32())),
            ("heights_px", arrow.list_(arrow.int32())),
            ("text", arrow.string()),
            ("finish_reason", arrow.string()),
            ("kept", arrow.bool_()),
            ("reason", arrow.string()),
        ]
    )
    rows = map(_row, planned)
    batches = iter(lambda: list(islice(rows, ROWS_A_BATCH)), [])
    return arrow.Table.from_batches(
        (arrow.RecordBatch.from_pylist(batch, schema=schema) for batch in batches), schema=schema
    )


def _row(planned: Planned) -> dict[str, Any]:
    target, caption, verdict = planned.target, planned.caption, planned.verdict
    return {
        "id": target.id,
        "images": [image.key for image in target.images],
        "widths_px": [image.width_px for image in target.images],
        "heights_px": [image.height_px for image in target.images],
        "text": planned.text if caption is not None else None,
        "finish_reason": caption.finish_reason if caption is not None else None,
        "kept": verdict.keep if verdict is not None else None,
        "reason": verdict.reason if verdict is not None else None,
    }
