"""The export folder in the making: built beside its final place, and renamed to it when it is whole.

Comes in: a run whose ledger closes. Goes out: ``export/``. One shard's captions are in memory
at a time. Not its job: whether there is anything to do (see stage).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from corpus.captioned import PlanLimits, captioned_targets
from corpus.files import sha256_of, sync_directory, write_json, written_whole
from corpus.ledger import Ledger
from corpus.progress import Progress
from corpus.records import JobName, is_multi
from corpus.runfolder import RunFolder
from export.card import card
from export.config import ExportConfig
from export.manifest import FileEntry, Manifest, fingerprints, funnel_of
from export.names import CARD_NAME, MANIFEST_NAME, meta_file_name, rows_file_name
from export.rows import MultiRow, SingleRow, multi_row, single_row, without_tags


class Build:
    """One export in the making, in a folder beside the final one."""

    def __init__(
        self,
        run: RunFolder,
        config: ExportConfig,
        prompts: Mapping[JobName, str],
        plan_limits: PlanLimits,
        progress: Progress,
    ) -> None:
        self._run, self._config, self._prompts = run, config, prompts
        self._plan_limits, self._progress = plan_limits, progress
        self._folder = run.export_folder.with_name(run.export_folder.name + ".part")
        self._files: dict[str, FileEntry] = {}
        self._examples: dict[JobName, bytes] = {}

    def all_files(self, ledger: Ledger) -> None:
        """Write everything, then give the folder its name."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        try:
            for job in self._prompts:
                self._write_rows(job, ledger.jobs[job].kept)
            self._write_meta()
            self._write_card_and_manifest(ledger)
            sync_directory(self._folder)
            # What lies there is left from a run that was stopped before it could say it had finished.
            if self._run.export_folder.exists():
                shutil.rmtree(self._run.export_folder)
            self._folder.replace(self._run.export_folder)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        sync_directory(self._run.path)

    def _write_rows(self, job: JobName, expected: int | None) -> None:
        growing = self._folder / f"{job}.jsonl.part"
        digest = hashlib.sha256()
        encoder = msgspec.json.Encoder()
        rows = rewritten = size_bytes = 0
        with self._progress.task(f"export {job}", expected, "rows") as task, growing.open("wb") as file:
            for row, was_rewritten in self._rows(job):
                line = encoder.encode(row) + b"\n"
                if rows == 0:
                    self._examples[job] = line
                file.write(line)
                digest.update(line)
                rows += 1
                rewritten += was_rewritten
                size_bytes += len(line)
                task.advance(1)
            file.flush()
            os.fsync(file.fileno())
        name = rows_file_name(self._config.prefix, job, rows)
        growing.rename(self._folder / name)
        self._files[name] = FileEntry(
            sha256=digest.hexdigest(), size_bytes=size_bytes, job=job, rows=rows, rewritten=rewritten
        )

    def _rows(self, job: JobName) -> Iterator[tuple[SingleRow | MultiRow, bool]]:
        """Kept captions in plan order as rows, and whether the caption's text had to be rewritten."""
        make_row = multi_row if is_multi(job) else single_row
        for shard, pairs in captioned_targets(self._run, job, self._plan_limits(job)):
            kept = {verdict.id for verdict in self._run.verdicts(job, shard) if verdict.keep}
            for target, caption in pairs:
                if caption.id in kept:
                    row = make_row(target, caption.text, self._prompts[job])
                    yield row, without_tags(caption.text) != caption.text

    def _write_meta(self) -> None:
        """InternVL's meta JSON. A file without rows is left out: its loader can't sample from nothing."""
        meta = {
            f"{self._config.prefix}_{entry.job}": {
                "root": self._config.image_root,
                "annotation": name,
                "data_augment": False,
                "repeat_time": 1,
                "length": entry.rows,
            }
            for name, entry in self._files.items()
            if entry.rows
        }
        name = meta_file_name(self._config.prefix)
        write_json(self._folder / name, meta)
        self._add_plain(self._folder / name)

    def _write_card_and_manifest(self, ledger: Ledger) -> None:
        funnel, stages = funnel_of(ledger), fingerprints(self._run)
        text = card(self._config, self._files, self._examples, self._prompts, funnel, stages)
        with written_whole(self._folder / CARD_NAME) as file:
            file.write(text.encode())
        self._add_plain(self._folder / CARD_NAME)
        manifest = Manifest(
            files=self._files,
            prompts=dict(self._prompts),
            funnel=funnel,
            versions=dict(self._run.run_file.versions),
            stages=stages,
        )
        write_json(self._folder / MANIFEST_NAME, manifest)

    def _add_plain(self, path: Path) -> None:
        self._files[path.name] = FileEntry(sha256=sha256_of(path), size_bytes=path.stat().st_size)
