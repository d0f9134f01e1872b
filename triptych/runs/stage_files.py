"""The files that stages wrote to a run folder, compared with their digests and sizes in run.json.

Comes in: a run folder, its run.json. Goes out: digests of what a stage reads; which files have changed since
their stage finished, and a SetupError that names them. Not its job: changing anything (see stages, repair).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from triptych.errors import SetupError
from triptych.runs.digest_cache import remembered_digest
from triptych.runs.jsonl import digest_of_files, digest_of_hashes, sha256_of
from triptych.runs.stage_record import (
    STAGE_NAMES,
    WRITTEN_BY,
    CaptionsMark,
    Extent,
    Loss,
    RunFile,
    Setting,
    StageName,
    written_by,
)

_MOST_NAMED = 3
"""How many damaged files a message names."""


class StageFiles:
    """The files of the run in ``path``, by stage."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        self.path = path
        self.run_file = run_file

    def refuse_damage(self, inputs: Mapping[str, str]) -> None:
        """Raise SetupError if a file has changed since the stage that wrote it finished."""
        for name, now in inputs.items():
            stage, left = self.left_by(name)
            if stage is not None and left != now:
                raise SetupError(self.damage_line(stage), path=self.path)

    def left_by(self, name: str) -> tuple[StageName | None, str]:
        """The finished stage that wrote the input ``name``, and the input's digest at that time."""
        for stage, written in WRITTEN_BY.items():
            state = self.run_file.stages.get(stage)
            found = [each for each in written if each.removesuffix(".jsonl") == name]
            if found and state is not None and state.finished and state.wrote:
                return stage, digest_of_hashes(_below(found[0], state.wrote))
        return None, ""

    def refuse_changed_file(self, stage: StageName, name: str) -> None:
        """Raise SetupError if the file ``name`` has changed since ``stage`` finished."""
        state = self.run_file.stages.get(stage)
        path = self.path / name
        if state is None or not state.finished or name not in state.wrote or not path.is_file():
            return
        if sha256_of(path) != state.wrote[name]:
            raise SetupError(self.damage_line(stage, [name]), path=path)

    def refuse_changed_files(self, stage: StageName) -> None:
        """Raise SetupError if any file of ``stage`` has changed since it finished.

        Files that are untouched since they were last read are not read again.
        """
        state = self.run_file.stages.get(stage)
        if state is None or not state.finished or not state.wrote:
            return
        if self.digest(*written_by(stage)) != digest_of_hashes(state.wrote):
            raise SetupError(self.damage_line(stage), path=self.path)

    def damage_line(self, stage: StageName, changed: Sequence[str] = ()) -> str:
        """One line: which files of ``stage`` have changed since it finished, and what to do.

        Looks for them if ``changed`` is empty.
        """
        changed = changed or self.changed_files(stage)
        more = len(changed) - _MOST_NAMED
        named = ", ".join(changed[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        return (
            f"{self.path}: {named or stage} changed after {stage} had finished, so it was damaged or edited;"
            f" restore it, or run `triptych repair {self.path}`, so that it is made again"
        )

    def changed_files(self, stage: StageName) -> list[str]:
        """The files of ``stage`` that were changed, removed or added since it finished. Reads them all."""
        state = self.run_file.stages.get(stage)
        if state is None or not state.wrote:
            return []
        now = self.hashes(stage)
        return sorted(
            path for path in state.wrote.keys() | now.keys() if state.wrote.get(path) != now.get(path)
        )

    def captions_mark(self, job: str) -> CaptionsMark:
        """A mark that changes whenever the captions of ``job`` do."""
        planned_of = {name: self.left_by(name)[1] for name in ("images", "sets", "duplicates", "screened")}
        if base := self.captions_base(job):
            planned_of |= {base: "{} {}".format(*self._generation_and_size(base))}
        generation, size_bytes = self._generation_and_size(job)
        limit = self._captions_note(f"{job}.limit")
        return CaptionsMark(generation, limit, digest_of_hashes(planned_of), size_bytes)

    def captions_base(self, job: str) -> str | None:
        """The job whose captions the prompt of ``job`` quotes; None if it quotes none."""
        base = self._captions_note(f"{job}.captions_of")
        return base if isinstance(base, str) else None

    def _captions_note(self, name: str) -> Setting:
        captions = self.run_file.stages.get("captions")
        return captions.notes.get(name) if captions is not None else None

    def _generation_and_size(self, job: str) -> tuple[str, int]:
        generation = self.run_file.generations.get(job, "")
        return generation, self.journals(f"captions/{job}/{generation}").size_bytes if generation else 0

    def captions_marks(self) -> dict[str, CaptionsMark]:
        return {job: self.captions_mark(job) for job in self.run_file.generations}

    def loss_of(self, name: StageName) -> Loss | None:
        """How the number or size of the files of ``name`` changed since it finished; None if they didn't."""
        state = self.run_file.stages.get(name)
        if state is None or not state.finished or state.left is None:
            return None
        now = self.extent(name)
        return None if now == state.left else Loss(name, state.left, now)

    @property
    def every_stage(self) -> list[StageName]:
        """All stages in order, then the named exports."""
        return [*STAGE_NAMES, *sorted(name for name in self.run_file.stages if name not in STAGE_NAMES)]

    def is_finished(self, name: StageName) -> bool:
        """Whether ``name`` has finished."""
        state = self.run_file.stages.get(name)
        return state is not None and state.finished

    def files_of(self, *names: str) -> list[Path]:
        """The files ``names``, and all files below the folders ``names``."""
        paths: list[Path] = []
        for name in names:
            path = self.path / name
            paths += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        return paths

    def extent(self, name: StageName) -> Extent:
        """Number and total size of the files of ``name``. Reads none of them."""
        written = written_by(name)
        if name == "captions":
            written = tuple(f"captions/{job}/{kept}" for job, kept in self.run_file.generations.items())
        sizes = [size for each in written for size in _sizes(self.path / each)]
        return Extent(len(sizes), sum(sizes))

    def journals(self, name: str) -> Extent:
        """Number and total size of the journals in the folder ``name``."""
        sizes = list(_sizes(self.path / name, ".jsonl"))
        return Extent(len(sizes), sum(sizes))

    def hashes(self, stage: StageName) -> dict[str, str]:
        """The SHA-256 of each existing file of ``stage``, by its path below the run folder."""
        there = [path for path in self.files_of(*written_by(stage)) if path.is_file()]
        return {path.relative_to(self.path).as_posix(): sha256_of(path) for path in sorted(there)}

    def digest(self, *names: str) -> str:
        """One SHA-256 over the files and folders ``names``, the inputs of a later stage."""
        paths = self.files_of(*names)
        what = "files: " + ", ".join(names)
        return remembered_digest(self.path, what, paths, "", lambda: digest_of_files(self.path, paths))


def _sizes(path: Path, suffix: str = "") -> Iterator[int]:
    """The size of the file ``path``, or of each file below it. Takes half a second for 100,000 files."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(Path(entry.path), suffix)
                elif entry.name.endswith(suffix) and entry.is_file():
                    yield entry.stat().st_size
    except NotADirectoryError:
        yield path.stat().st_size
    except FileNotFoundError:
        return


def _below(name: str, hashes: Mapping[str, str]) -> dict[str, str]:
    """The hashes of the file ``name``, or of the files in the folder ``name``."""
    return {path: sha256 for path, sha256 in hashes.items() if path == name or path.startswith(f"{name}/")}
