"""What state each stage of a run is in, and what it was made with.

Comes in: a stage's settings and digests of what it reads. Goes out: whether it has work to do; its state, in
run.json; the versions of what shapes a run's output. When settings differ, the user decides; when only inputs
do, the stage is done again. Not its job: paths and records (see folder), what a stage does.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.jsonl import digest_of_files, digest_of_hashes, sha256_of
from triptych.runs.run_file import FORMAT_VERSION, NAME, write_twice

StageName = str
"""One of STAGE_NAMES; or ``exports/NAME``, an export in a folder of that name beside `triptych run`'s."""
STAGE_NAMES: tuple[StageName, ...] = ("embeddings", "sets", "captions", "verdicts", "export")

_WRITTEN_BY: dict[StageName, tuple[str, ...]] = {
    "embeddings": ("sources.jsonl", "images", "embeddings"),
    "sets": ("sets.jsonl", "duplicates.jsonl"),
    "captions": (),
    "verdicts": ("verdicts",),
    "export": ("export",),
}
"""What is counted and hashed when a stage has finished. Lines of captions have checksums of their own."""

_STAYS: tuple[StageName, ...] = ("captions", "export")
"""What stays when the stage begins again: what is made anew lies beside it."""

_BESIDE: dict[StageName, tuple[str, ...]] = {"sets": ("grouping",)}
"""What else goes when a stage is discarded."""

_MOST_NAMED = 3
"""Damaged files that one message names."""

_EXPORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Setting = str | int | float | bool | None


class Extent(msgspec.Struct, frozen=True):
    """How much there is of what a stage writes."""

    files: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.files:,} files of {self.size_bytes:,} bytes"


class Loss(NamedTuple):
    """Files that a finished stage wrote were removed, cut short or edited."""

    stage: StageName
    was: Extent
    now: Extent

    def __str__(self) -> str:
        return f"{self.stage}: {self.now} are there, {self.was} when it had finished"


class CaptionsMark(msgspec.Struct, frozen=True):
    """What the captions of a job look like from outside: it changes when they do."""

    generation: str
    limit: Setting
    planned_of: str
    """A digest of what grouping wrote."""
    size_bytes: int
    """Of its journals, which only grow."""


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
    """What it left in the folder when it finished; None before that."""
    made_of: dict[str, CaptionsMark] = {}
    """Of verdicts and export: which captions they were made of, by job."""
    wrote: dict[str, str] = {}
    """The SHA-256 of each file that it left, by its path below the run folder."""


class RunFile(msgspec.Struct, kw_only=True):
    """The content of run.json."""

    format_version: int = FORMAT_VERSION
    versions: dict[str, str] = {}
    config: dict[str, object] = {}
    origins: dict[str, str] = {}
    """Where the config's values are from, by dotted key (see settings); one that isn't here is a default."""
    generations: dict[str, str] = {}
    """Which generation of its captions counts, by job (see generations)."""
    stages: dict[str, StageState] = {}


class StageStates:
    """The stages of the run in ``path``. Each change of a state is on disk when its method returns."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        self.path = path
        self.run_file = run_file
        self.made_again: set[StageName] = set()
        """Stages that begin anew when their turn comes, whatever their settings were. In memory only."""

    def save(self) -> None:
        """Write run.json and its copy."""
        write_twice(self.path / NAME, self.run_file)

    def has_work(self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]) -> bool:
        """What ``begin_stage`` would return or raise. Changes nothing."""
        self.refuse_other_settings(name, settings)
        self.refuse_damage(inputs)
        state = self.run_file.stages.get(name)
        return state is None or not state.finished or state.inputs != dict(inputs) or name in self.made_again

    def begin_stage(
        self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]
    ) -> bool:
        """Whether ``name`` has work to do. Call it before anything of the stage is written.

        False: it finished with these very settings and inputs. True: it is new, or was interrupted
        and goes on. Where ``inputs`` differ, or it is to be made again, what the stage wrote is discarded
        (captions stay: each is valid for as long as its image or set is; so do sets where only ``inputs``
        differ, until others are found; an export stays until the new one is whole). Raises SetupError where
        ``settings`` differ from those the folder was made with, and where ``inputs`` are not what the stages
        that wrote them have left.
        """
        if not self.has_work(name, settings, inputs):
            self.confirm_stage(name)
            return False
        state = self.run_file.stages.get(name)
        if state is None or state.inputs != dict(inputs) or name in self.made_again:
            stays = name.startswith(_STAYS) or (name == "sets" and name not in self.made_again)
            if state is not None and not stays:
                self.discard(name)
            kept = dict(state.notes) if state is not None and stays and not name.startswith("export") else {}
            begun = StageState(settings=dict(settings), inputs=dict(inputs), notes=kept)
            self.run_file.stages[name] = begun
        self.made_again.discard(name)
        self.save()
        return True

    def refuse_other_settings(self, name: StageName, settings: Mapping[str, Setting]) -> None:
        """Raise SetupError where ``name`` was done or begun with other settings. Changes nothing."""
        state = self.run_file.stages.get(name)
        if state is None or name in self.made_again:
            return
        for key in dict.fromkeys([*settings, *state.settings]):  # what decides most comes first
            before, now = state.settings.get(key), settings.get(key)
            if before != now:
                raise SetupError(
                    f"{name} in {self.path} were made with {key} = {before!r}, now it is {now!r};"
                    f" add --fresh {name.partition('s/')[0]} to make them again, or {self._elsewhere(name)}",
                    key=key,
                    path=self.path,
                )

    @staticmethod
    def _elsewhere(name: StageName) -> str:
        is_export = name.startswith("export")
        return "write another with --to NAME" if is_export else "name another folder with --out"

    def refuse_damage(self, inputs: Mapping[str, str]) -> None:
        """Raise SetupError where a file has changed since the stage that wrote it finished."""
        for name, now in inputs.items():
            stage, left = self.left_by(name)
            if stage is not None and left != now:
                raise SetupError(self.damage_line(stage), path=self.path)

    def left_by(self, name: str) -> tuple[StageName | None, str]:
        """Which finished stage wrote what others read as input ``name``, and its digest then."""
        for stage, written in _WRITTEN_BY.items():
            state = self.run_file.stages.get(stage)
            found = [each for each in written if each.removesuffix(".jsonl") == name]
            if found and state is not None and state.finished and state.wrote:
                return stage, digest_of_hashes(_below(found[0], state.wrote))
        return None, ""

    def refuse_changed_file(self, stage: StageName, name: str) -> None:
        """Raise SetupError where the file ``name`` isn't what ``stage`` had left when it finished."""
        state = self.run_file.stages.get(stage)
        path = self.path / name
        if state is None or not state.finished or name not in state.wrote or not path.is_file():
            return
        if sha256_of(path) != state.wrote[name]:
            raise SetupError(self.damage_line(stage, [name]), path=path)

    def refuse_changed_files(self, stage: StageName) -> None:
        """Raise SetupError where a file of ``stage`` isn't what it had left when it finished.

        Files that nobody has touched since they were last read are not read again.
        """
        state = self.run_file.stages.get(stage)
        if state is None or not state.finished or not state.wrote:
            return
        if self.digest(*_written_by(stage)) != digest_of_hashes(state.wrote):
            raise SetupError(self.damage_line(stage), path=self.path)

    def damage_line(self, stage: StageName, changed: Sequence[str] = ()) -> str:
        """In one line which files of ``stage`` have changed since it finished, and what to do.

        They are looked for where ``changed`` names none.
        """
        changed = changed or self.changed_files(stage)
        more = len(changed) - _MOST_NAMED
        named = ", ".join(changed[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        return (
            f"{self.path}: {named or stage} changed after {stage} had finished, so it was damaged or edited;"
            f" put back what there was, or run `triptych repair {self.path}`, so that it is made again"
        )

    def changed_files(self, stage: StageName) -> list[str]:
        """The files that are not as ``stage`` left them: other bytes, gone, or new. Reads them all."""
        state = self.run_file.stages.get(stage)
        if state is None or not state.wrote:
            return []
        now = self._hashes(stage)
        return sorted(
            path for path in state.wrote.keys() | now.keys() if state.wrote.get(path) != now.get(path)
        )

    def finish_stage(
        self,
        name: StageName,
        notes: Mapping[str, Setting] | None = None,
        wrote: Mapping[str, str] | None = None,
    ) -> None:
        """Mark ``name`` finished, with figures worth remembering.

        ``wrote`` has the SHA-256 of all its files by path, where it knows them already.
        """
        state = self.run_file.stages[name]
        state.finished = True
        state.notes = dict(notes or {})
        state.left = self._extent(name)
        state.made_of = self._captions_marks() if name.startswith(("verdicts", "export")) else {}
        state.wrote = self._hashes(name) if wrote is None else dict(wrote)
        self.save()

    def confirm_stage(self, name: StageName) -> None:
        """What ``name`` was made of is what there is now: remember what it looks like."""
        state = self.run_file.stages[name]
        made_of = self._captions_marks() if name.startswith(("verdicts", "export")) else {}
        if state.made_of != made_of:
            state.made_of = made_of
            self.save()

    def captions_mark(self, job: str) -> CaptionsMark:
        """Of the captions that ``job`` has now."""
        generation = self.run_file.generations.get(job, "")
        captions = self.run_file.stages.get("captions")
        limit = captions.notes.get(f"{job}.limit") if captions is not None else None
        journals = (self.path / "captions" / job / generation).rglob("*.jsonl") if generation else ()
        planned_of = digest_of_hashes(
            {name: self.left_by(name)[1] for name in ("images", "sets", "duplicates")}
        )
        return CaptionsMark(generation, limit, planned_of, sum(path.stat().st_size for path in journals))

    def _captions_marks(self) -> dict[str, CaptionsMark]:
        return {job: self.captions_mark(job) for job in self.run_file.generations}

    def loss_of(self, name: StageName) -> Loss | None:
        """What has become of the files of ``name`` since it finished; None where there are as many bytes."""
        state = self.run_file.stages.get(name)
        if state is None or not state.finished or state.left is None:
            return None
        now = self._extent(name)
        return None if now == state.left else Loss(name, state.left, now)

    def reopen_stage(self, name: StageName) -> None:
        """Mark ``name`` unfinished: it makes again what it misses, and keeps what is there."""
        state = self.run_file.stages[name]
        state.finished = False
        if name == "captions":  # jobs that were done are counted again
            state.inputs = {}
        self.save()

    def restore_stage(self, name: StageName, state: StageState | None) -> None:
        """Back to an earlier state of ``name``: what was to replace its files has come to nothing."""
        self.run_file.stages.pop(name)
        if state is not None:
            self.run_file.stages[name] = state
        self.save()

    @property
    def every_stage(self) -> list[StageName]:
        """All stages in order, and the exports beside."""
        return [*STAGE_NAMES, *sorted(name for name in self.run_file.stages if name not in STAGE_NAMES)]

    def is_finished(self, name: StageName) -> bool:
        """Whether ``name`` has run to its end."""
        state = self.run_file.stages.get(name)
        return state is not None and state.finished

    def discard(self, name: StageName) -> None:
        """Remove everything that stage ``name`` wrote; of captions nothing: they only count no more.

        It is marked unfinished first and forgotten last, so that a crash in between is seen.
        """
        state = self.run_file.stages.get(name)
        if state is not None:
            state.finished = False
            self.save()
        if name == "captions":
            self.run_file.generations = {}
        else:
            for written in (*_written_by(name), *_BESIDE.get(name, ())):
                path = self.path / written
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        self.run_file.stages.pop(name, None)
        self.save()

    def files_of(self, *names: str) -> list[Path]:
        """The files among ``names`` of this run, and those in the folders among them."""
        paths: list[Path] = []
        for name in names:
            path = self.path / name
            paths += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        return paths

    def _extent(self, name: StageName) -> Extent:
        """By the sizes of the files: nothing is read."""
        written = _written_by(name)
        if name == "captions":
            written = tuple(f"captions/{job}/{kept}" for job, kept in self.run_file.generations.items())
        there = [path for path in self.files_of(*written) if path.is_file()]
        return Extent(len(there), sum(path.stat().st_size for path in there))

    def _hashes(self, stage: StageName) -> dict[str, str]:
        """The SHA-256 of each file of ``stage`` that is there, by its path below the run folder."""
        there = [path for path in self.files_of(*_written_by(stage)) if path.is_file()]
        return {path.relative_to(self.path).as_posix(): sha256_of(path) for path in sorted(there)}

    def digest(self, *names: str) -> str:
        """One SHA-256 over the files and folders ``names`` of this run: what a later stage reads."""
        paths = self.files_of(*names)
        what = "files: " + ", ".join(names)
        return remembered_digest(self.path, what, paths, "", lambda: digest_of_files(self.path, paths))


def export_stage(name: str) -> StageName:
    """The stage of the export called ``name``, that of `triptych run` where it is empty. Raises UsageError
    for a name that can't be a folder's."""
    if not name:
        return "export"
    if not _EXPORT_NAME.fullmatch(name):
        raise UsageError(f"export name {name!r}: expected letters, digits, - and _, such as llava")
    return f"exports/{name}"


def _written_by(stage: StageName) -> tuple[str, ...]:
    return _WRITTEN_BY.get(stage, (stage,))


def _below(name: str, hashes: Mapping[str, str]) -> dict[str, str]:
    """Those of the file ``name``, or of the files in the folder ``name``."""
    return {path: sha256 for path, sha256 in hashes.items() if path == name or path.startswith(f"{name}/")}


_RECORDED_VERSIONS = (
    "triptych",
    "lmdeploy",
    "open_clip_torch",
    "faiss-cpu",
    "imagehash",
    "pillow",
    "pyarrow",
    "torch",
    "transformers",
    "rensa",
    "py3langid",
    "opencc",
)


@cache
def installed_versions() -> dict[str, str]:
    """The versions of what shapes a run's output, without importing any of it."""
    from importlib import metadata  # it takes as long as all of `--help`

    versions: dict[str, str] = {}
    for name in _RECORDED_VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
