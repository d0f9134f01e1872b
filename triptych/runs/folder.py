"""The run folder: where everything of one run lies, and what state each stage is in.

    RUN/run.json                        resolved config, versions, each stage's fingerprint
    RUN/sources.jsonl                   the shards of the sources, as they were listed
    RUN/images/<shard>.jsonl            every file that was found: readable, or why not
    RUN/embeddings/<shard>.npy          float16[n, dim]; row i is readable image i of the shard
    RUN/sets.jsonl, duplicates.jsonl
    RUN/grouping/                       checkpoints, only while sets are made
    RUN/captions/<job>/<shard>.jsonl    append-only journals
    RUN/verdicts/<job>/<shard>.jsonl    and scores.jsonl: what other bounds would drop
    RUN/logs/                           of the servers that Triptych started
    RUN/export/                         the four files, dataset card, manifest

Not its job: what the stages do. They ask for paths and say when they begin and end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Self, get_args

import msgspec

from triptych.errors import SetupError
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, JobName, Verdict
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.journal import read_journal
from triptych.runs.jsonl import digest_of_files, read_jsonl, write_json
from triptych.runs.rule_scores import RuleScores

FORMAT_VERSION = 1
"""Of the run folder's layout. Raise it when an older Triptych could misread what a newer one wrote."""

StageName = Literal["embeddings", "sets", "captions", "verdicts", "export"]
STAGE_NAMES: tuple[StageName, ...] = get_args(StageName)

_WRITTEN_BY: dict[StageName, tuple[str, ...]] = {
    "embeddings": ("images", "embeddings"),
    "sets": ("sets.jsonl", "duplicates.jsonl"),
    "captions": ("captions",),
    "verdicts": ("verdicts",),
    "export": ("export",),
}
_BESIDE: dict[StageName, tuple[str, ...]] = {"embeddings": ("sources.jsonl",), "sets": ("grouping",)}
"""What else goes when a stage is discarded."""

Setting = str | int | float | bool | None


class Extent(msgspec.Struct, frozen=True):
    """How much lies where a stage writes."""

    files: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} files of {self.size_bytes:,} bytes"


class Loss(NamedTuple):
    """A finished stage hasn't what it wrote any more: files were removed, cut short or edited."""

    stage: StageName
    was: Extent
    now: Extent

    def __str__(self) -> str:
        return f"{self.stage}: {self.now} are there, {self.was} when it had finished"


class StageState(msgspec.Struct, kw_only=True):
    """A stage's fingerprint and how far it got.

    ``settings`` are its own config, flattened, and its code's data version: when they change, the
    user decides. ``inputs`` are digests of what it reads: when only they change, it is done again.
    """

    settings: dict[str, Setting]
    inputs: dict[str, str] = {}
    finished: bool = False
    notes: dict[str, Setting] = {}
    """Figures a stage wants remembered: how long it took, what it chose."""
    left: Extent | None = None
    """What it had written when it finished; None before that."""


class RunFile(msgspec.Struct, kw_only=True):
    """The content of run.json."""

    format_version: int
    versions: dict[str, str] = {}
    config: dict[str, object] = {}
    stages: dict[str, StageState] = {}


class RunFolder:
    """Paths, records and stage states of one run. Writing stages hold the folder's lock (see lock)."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        self.path = path
        self.run_file = run_file

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """Open the run in ``path``, or begin one there. Raises SetupError if neither can be."""
        if (path / "run.json").exists():
            return cls.open(path)
        if path.is_file() or (path.is_dir() and not _only_lock_inside(path)):
            raise SetupError(
                f"{path} is not a run folder (no run.json) and not empty;"
                " name a new or empty folder with --out"
            )
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path, RunFile(format_version=FORMAT_VERSION))
        run.save()
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the run in ``path``. Raises SetupError where there is none or it is of another version."""
        run_json = path / "run.json"
        if not run_json.is_file():
            raise SetupError(f"{path} is not a run folder: no run.json in it; `triptych run` makes one")
        raw = run_json.read_bytes()
        try:
            version = msgspec.json.decode(raw, type=_VersionOnly).format_version
            if version != FORMAT_VERSION:
                raise SetupError(
                    f"{path} has run format {version}, this Triptych reads format {FORMAT_VERSION};"
                    " use the Triptych that made it, or another --out"
                )
            return cls(path, msgspec.json.decode(raw, type=RunFile))
        except msgspec.MsgspecError as error:
            raise SetupError(
                f"{run_json} is damaged ({error}); restore it or start in another folder"
            ) from None

    def save(self) -> None:
        """Write run.json, whole or not at all."""
        write_json(self.path / "run.json", self.run_file)

    # -- where things lie -------------------------------------------------------------------------

    @property
    def sources_file(self) -> Path:
        return self.path / "sources.jsonl"

    def images_file(self, shard: str) -> Path:
        return self.path / "images" / f"{shard}.jsonl"

    def embeddings_file(self, shard: str) -> Path:
        return self.path / "embeddings" / f"{shard}.npy"

    def is_embedded(self, shard: str) -> bool:
        """Whether ``shard`` was embedded to its end."""
        return self.images_file(shard).exists() and self.embeddings_file(shard).exists()

    @property
    def sets_file(self) -> Path:
        return self.path / "sets.jsonl"

    @property
    def scratch_folder(self) -> Path:
        """Checkpoints of sets while they are made; gone when they are."""
        return self.path / "grouping"

    @property
    def duplicates_file(self) -> Path:
        return self.path / "duplicates.jsonl"

    def captions_file(self, job: JobName, shard: str) -> Path:
        return self.path / "captions" / job / f"{shard}.jsonl"

    def verdicts_file(self, job: JobName, shard: str) -> Path:
        return self.path / "verdicts" / job / f"{shard}.jsonl"

    @property
    def rule_scores_file(self) -> Path:
        return self.path / "verdicts" / "scores.jsonl"

    @property
    def logs_folder(self) -> Path:
        """Logs of servers that were started for this run. Nothing reads them but a person."""
        return self.path / "logs"

    @property
    def export_folder(self) -> Path:
        return self.path / "export"

    # -- what is in it ----------------------------------------------------------------------------

    def shards(self) -> list[str]:
        """The names of the shards whose images are listed, sorted. A name may contain ``/``."""
        root = self.path / "images"
        return sorted(p.relative_to(root).as_posix()[: -len(".jsonl")] for p in root.rglob("*.jsonl"))

    def images(self, shard: str) -> Iterator[ImageRecord]:
        """Every file found in ``shard``: a folder's in key order, a tar's in archive order."""
        return read_jsonl(self.images_file(shard), ImageRecord)

    def all_images(self) -> Iterator[ImageRecord]:
        """Every file found, shard by shard."""
        for shard in self.shards():
            yield from self.images(shard)

    def sets(self) -> Iterator[ImageSet]:
        return read_jsonl(self.sets_file, ImageSet)

    def duplicates(self) -> Iterator[Duplicate]:
        return read_jsonl(self.duplicates_file, Duplicate)

    def captions(self, job: JobName, shard: str) -> Iterator[Caption]:
        """The journalled captions of a job on a shard; nothing if none were made."""
        return read_journal(self.captions_file(job, shard), Caption)

    def verdicts(self, job: JobName, shard: str) -> Iterator[Verdict]:
        """The verdicts of a job on a shard; nothing if none were made."""
        path = self.verdicts_file(job, shard)
        return read_jsonl(path, Verdict) if path.exists() else iter(())

    def rule_scores(self) -> Iterator[RuleScores]:
        """What each rule's bound would drop elsewhere; nothing where the filter was asked for no rule."""
        return read_journal(self.rule_scores_file, RuleScores)

    # -- stages -----------------------------------------------------------------------------------

    def begin_stage(
        self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]
    ) -> bool:
        """Whether ``name`` has work to do. Call it before anything of the stage is written.

        False: it finished with these very settings and inputs. True: it is new, or was interrupted
        and goes on. Where only ``inputs`` differ, what the stage wrote is discarded and it is done
        again (captions stay: each is valid for as long as its image or set is). Raises SetupError
        where ``settings`` differ from those the folder was made with.
        """
        self.refuse_other_settings(name, settings)
        state = self.run_file.stages.get(name)
        if state is not None:
            if state.inputs == dict(inputs):
                return not state.finished
            if name != "captions":
                self.discard(name)
        self.run_file.stages[name] = StageState(settings=dict(settings), inputs=dict(inputs))
        self.save()
        return True

    def refuse_other_settings(self, name: StageName, settings: Mapping[str, Setting]) -> None:
        """Raise SetupError where ``name`` was done or begun with other settings. Changes nothing."""
        state = self.run_file.stages.get(name)
        if state is None:
            return
        for key in dict.fromkeys([*settings, *state.settings]):  # what decides most comes first
            before, now = state.settings.get(key), settings.get(key)
            if before != now:
                raise SetupError(
                    f"{name} in {self.path} were made with {key} = {before!r}, now it is {now!r};"
                    f" add --fresh {name} to make them again, or name another folder with --out"
                )

    def finish_stage(self, name: StageName, notes: Mapping[str, Setting] | None = None) -> None:
        """Mark ``name`` finished, with figures worth remembering."""
        state = self.run_file.stages[name]
        state.finished = True
        state.notes = dict(notes or {})
        state.left = self._extent(name)
        self.save()

    def loss_of(self, name: StageName) -> Loss | None:
        """What has become of the files of ``name`` since it finished; None where there are as many bytes."""
        state = self.run_file.stages.get(name)
        if state is None or not state.finished or state.left is None:
            return None
        now = self._extent(name)
        return None if now == state.left else Loss(name, state.left, now)

    def reopen_stage(self, name: StageName) -> None:
        """Mark ``name`` unfinished: it makes again what it misses, and keeps what is there."""
        self.run_file.stages[name].finished = False
        self.save()

    def is_finished(self, name: StageName) -> bool:
        """Whether ``name`` has run to its end."""
        state = self.run_file.stages.get(name)
        return state is not None and state.finished

    def discard(self, name: StageName) -> None:
        """Remove everything that stage ``name`` wrote.

        It is marked unfinished first and forgotten last, so that a crash in between is seen.
        """
        state = self.run_file.stages.get(name)
        if state is not None:
            state.finished = False
            self.save()
        for path in (self.path / written for written in (*_WRITTEN_BY[name], *_BESIDE.get(name, ()))):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if self.run_file.stages.pop(name, None) is not None:
            self.save()

    def files_of(self, *names: str) -> list[Path]:
        """The files that the files and folders ``names`` of this run come to."""
        paths: list[Path] = []
        for name in names:
            path = self.path / name
            paths += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        return paths

    def _extent(self, name: StageName) -> Extent:
        """A look at each file, no reading."""
        there = [path for path in self.files_of(*_WRITTEN_BY[name]) if path.is_file()]
        return Extent(len(there), sum(path.stat().st_size for path in there))

    def digest(self, *names: str) -> str:
        """One SHA-256 over the files and folders ``names`` of this run: what a later stage reads."""
        paths = self.files_of(*names)
        what = "files: " + ", ".join(names)
        return remembered_digest(self.path, what, paths, "", lambda: digest_of_files(self.path, paths))


class _VersionOnly(msgspec.Struct):
    format_version: int


def _only_lock_inside(path: Path) -> bool:
    return all(entry.name == ".lock" for entry in path.iterdir())
