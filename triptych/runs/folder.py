"""The run folder: the files of one run.

    RUN/run.json, .run.json.copy        resolved config, versions, each stage's fingerprint
    RUN/sources.jsonl                   the shards of the sources, as they were embedded
    RUN/images/<shard>.jsonl            every file found, with the reason if it is unreadable
    RUN/embeddings/<shard>.npy          float16[n, dim]; row i is readable image i of the shard
    RUN/sets.jsonl, duplicates.jsonl, screened.jsonl, screen_scores.jsonl
    RUN/other_embeddings/               embeddings of other encoders with their sets, each as a run folder
    RUN/unpacked/                       unpacked archives; safe to delete, unpacked again when needed
    RUN/grouping/                       checkpoints, only while sets are made
    RUN/cluster/                        files that machines exchange, only while a cluster works
    RUN/worker_journals/                captions and checks of a cluster, before they reach the journals below
    RUN/captions/<job>/<generation>/<shard>.jsonl    append-only journals
    RUN/verdicts/<job>/<shard>.jsonl    and scores.jsonl: what other thresholds would reject
    RUN/logs/                           logs of the servers that Triptych started
    RUN/workers/                        one heartbeat file per worker (see heartbeats); safe to delete
    RUN/export/                         one file per job, dataset card, manifest
    RUN/exports/<name>/                 the same in other formats

Comes in: names of shards and jobs. Goes out: paths and records. Not its job: the state of each stage (see
stages), captions in plan order (see plan).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeVar

from triptych.errors import SetupError
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Screened, Verdict
from triptych.runs.journal import read_journal
from triptych.runs.jsonl import PART_SUFFIX, make_folder, read_jsonl, write_sealed
from triptych.runs.rule_scores import RuleScores
from triptych.runs.run_file import RUN_FILE_NAME, is_run_folder, read_run_file
from triptych.runs.stage_record import STAGE_NAMES as STAGE_NAMES
from triptych.runs.stage_record import RunFile
from triptych.runs.stage_record import Setting as Setting
from triptych.runs.stage_record import StageName as StageName
from triptych.runs.stage_record import StageState as StageState
from triptych.runs.stages import StageStates

UNPACKED = "unpacked"
"""Folder for archives whose images can't be read one by one. They are unpacked again if it was removed."""


class RunFolder(StageStates):
    """Paths, records and stage states of one run. Hold its lock to write (see lock)."""

    export_stage: StageName = "export"
    """The export that is read or written (see with_export)."""

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """Open the run in ``path``, or begin one there. Raises SetupError if neither is possible."""
        if is_run_folder(path):
            return cls.open(path)
        if path.is_file() or (path.is_dir() and not _is_only_begun(path)):
            raise SetupError(
                f"{path} is not a run folder (no run.json) and not empty;"
                " name a new or empty folder with --out",
                path=path,
            )
        make_folder(path)
        run = cls(path, RunFile())
        write_sealed(
            path / RUN_FILE_NAME, run.run_file
        )  # before its copy: a copy alone means that run.json was lost
        run.save()
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the run in ``path``. Raises SetupError if there is none or its format is another version's."""
        return cls(path, read_run_file(path, RunFile))

    # -- paths ------------------------------------------------------------------------------------

    @property
    def sources_file(self) -> Path:
        return self.path / "sources.jsonl"

    def images_file(self, shard: str) -> Path:
        return self.path / "images" / f"{shard}.jsonl"

    def embeddings_file(self, shard: str) -> Path:
        return self.path / "embeddings" / f"{shard}.npy"

    def is_embedded(self, shard: str) -> bool:
        """Whether ``shard`` is completely embedded."""
        return self.images_file(shard).exists() and self.embeddings_file(shard).exists()

    @property
    def sets_file(self) -> Path:
        return self.path / "sets.jsonl"

    @property
    def scratch_folder(self) -> Path:
        """Checkpoints of the sets stage, removed when it finishes."""
        return self.path / "grouping"

    @property
    def cluster_folder(self) -> Path:
        """Files that the machines of a cluster exchange, removed when the command ends."""
        return self.path / "cluster"

    @property
    def worker_journals(self) -> Path:
        """What a cluster's workers wrote, until it is copied into the run's own journals."""
        return self.path / "worker_journals"

    @property
    def duplicates_file(self) -> Path:
        return self.path / "duplicates.jsonl"

    @property
    def screened_file(self) -> Path:
        return self.path / "screened.jsonl"

    @property
    def screen_scores_file(self) -> Path:
        """How many images each screen would leave out (see rule_scores)."""
        return self.path / "screen_scores.jsonl"

    @property
    def captions_root(self) -> Path:
        """Captions of all jobs and generations (see generations)."""
        return self.path / "captions"

    def captions_folder(self, job: str) -> Path:
        """The folder of the current generation. It doesn't exist before the first one is begun."""
        return self.captions_root / job / self.run_file.generations.get(job, "none")

    def captions_file(self, job: str, shard: str) -> Path:
        return self.captions_folder(job) / f"{shard}.jsonl"

    def verdicts_file(self, job: str, shard: str) -> Path:
        return self.path / "verdicts" / job / f"{shard}.jsonl"

    @property
    def rule_scores_file(self) -> Path:
        return self.path / "verdicts" / "scores.jsonl"

    @property
    def logs_folder(self) -> Path:
        """Logs of servers that were started for this run. Triptych never reads them."""
        return self.path / "logs"

    @property
    def export_folder(self) -> Path:
        return self.path / self.export_stage

    def with_export(self, stage: StageName) -> Self:
        """The same run, with ``stage`` as the export that is read or written."""
        other = copy.copy(self)
        other.export_stage = stage
        return other

    # -- records ----------------------------------------------------------------------------------

    def shards(self) -> list[str]:
        """The names of the shards whose images are listed, sorted. A name may contain ``/``."""
        root = self.path / "images"
        return sorted(p.relative_to(root).as_posix()[: -len(".jsonl")] for p in root.rglob("*.jsonl"))

    def images(self, shard: str) -> Iterator[ImageRecord]:
        """Every file found in ``shard``: in key order for loose files, in archive order for an archive."""
        return read_jsonl(self.images_file(shard), ImageRecord)

    def first_image(self, shard: str) -> ImageRecord | None:
        """The first image with an embedding. Reads the file only a little further."""
        records = read_jsonl(self.images_file(shard), ImageRecord, chunk_bytes=4096)
        return next((record for record in records if record.is_embedded), None)

    def all_images(self) -> Iterator[ImageRecord]:
        """Every file found, shard by shard."""
        for shard in self.shards():
            yield from self.images(shard)

    def sets(self) -> Iterator[ImageSet]:
        return read_jsonl(self.sets_file, ImageSet)

    def duplicates(self) -> Iterator[Duplicate]:
        return read_jsonl(self.duplicates_file, Duplicate)

    def screened(self) -> Iterator[Screened]:
        """Images that a screen left out; none if the sets were made before screens existed."""
        return _rows_of(self.screened_file, Screened)

    def screen_scores(self) -> Iterator[RuleScores]:
        """What each screen would leave out at other thresholds; empty as above."""
        return _rows_of(self.screen_scores_file, RuleScores)

    def captions(self, job: str, shard: str) -> list[Caption]:
        """The journal of a job on a shard; empty if there is none."""
        return read_journal(self.captions_file(job, shard), Caption)

    def verdicts(self, job: str, shard: str) -> Iterator[Verdict]:
        """The verdicts of a job on a shard; none if those on disk are on another generation of captions."""
        state = self.run_file.stages.get("verdicts")
        judged = state.made_of.get(job) if state is not None else None
        if judged is not None and judged.generation != self.run_file.generations.get(job):
            return iter(())
        return _rows_of(self.verdicts_file(job, shard), Verdict)

    def rule_scores(self) -> Iterator[RuleScores]:
        """What each rule would reject at other thresholds; empty if no rules ran."""
        return _rows_of(self.rule_scores_file, RuleScores)


T = TypeVar("T")


def _rows_of(path: Path, kind: type[T]) -> Iterator[T]:
    """The rows of ``path``, none if there is no such file."""
    return read_jsonl(path, kind) if path.exists() else iter(())


def _is_only_begun(path: Path) -> bool:
    """Whether ``path`` has only what a run leaves behind when it is killed before its first run.json."""
    return all(entry.name == ".lock" or entry.name.endswith(PART_SUFFIX) for entry in path.iterdir())
