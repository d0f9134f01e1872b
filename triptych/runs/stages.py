"""What state each stage of a run is in, and what it was made with.

Comes in: a stage's settings and digests of what it reads. Goes out: whether it has work to do; its state, in
run.json. When settings differ, the user decides; when only inputs do, the stage is done again. Not its job:
paths and records (see folder), whether files are as they were left (see stage_files), what a stage does.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.errors import SetupError
from triptych.runs.run_file import NAME, write_twice
from triptych.runs.stage_files import StageFiles
from triptych.runs.stage_record import RunFile, Setting, StageName, StageState, is_export, written_by

_BESIDE: dict[StageName, tuple[str, ...]] = {"sets": ("grouping",)}
"""What else goes when a stage is discarded."""


class StageStates(StageFiles):
    """The stages of the run in ``path``. Each change of a state is on disk when its method returns."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        super().__init__(path, run_file)
        self.made_again: set[StageName] = set()
        """Stages that begin anew when their turn comes, whatever their settings were. In memory only."""
        self._saved = self._config()
        """As run.json has it; copies of this object that look at another export share it."""
        self._config_before = list(self._saved)
        """As it had it before the last stage was begun."""

    def save(self) -> None:
        """Write run.json and its copy."""
        write_twice(self.path / NAME, self.run_file)
        self._saved[:] = self._config()

    @property
    def has_other_config(self) -> bool:
        """Whether config, origins or versions are others than run.json has."""
        return self._saved != self._config()

    def _config(self) -> list[Any]:
        return [self.run_file.config, self.run_file.origins, self.run_file.versions]

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
        and goes on. What it made before stays until something is there to take its place, but for verdicts:
        they are made anew when all captions have been scored. Raises SetupError where ``settings`` differ
        from those the folder was made with, and where ``inputs`` are not what the stages that wrote them
        have left.
        """
        if not self.has_work(name, settings, inputs):
            self.confirm_stage(name)
            return False
        self._config_before = list(self._saved)
        state, is_fresh = self.run_file.stages.get(name), name in self.made_again
        if state is None or state.inputs != dict(inputs) or is_fresh:
            if state is not None and name == "verdicts":
                self.discard(name)
            goes_on = name == "captions" or (name == "sets" and not is_fresh)
            notes = dict(state.notes) if state is not None and goes_on else {}
            self.run_file.stages[name] = StageState(
                settings=dict(settings), inputs=dict(inputs), notes=notes, fresh=is_fresh
            )
        self.made_again.discard(name)
        self.save()
        return True

    def goes_on_afresh(
        self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]
    ) -> None:
        """Don't begin ``name`` again where this very command, with ``--fresh``, was interrupted in it."""
        state = self.run_file.stages.get(name)
        if state is not None and state.fresh and (state.settings, state.inputs) == (settings, inputs):
            self.made_again.discard(name)

    def refuse_other_settings(
        self, name: StageName, settings: Mapping[str, Setting], what_to_do: str = ""
    ) -> None:
        """Raise SetupError where ``name`` was done or begun with other settings. Changes nothing.

        ``what_to_do``: in a command that can't make it again.
        """
        state = self.run_file.stages.get(name)
        if state is None or name in self.made_again:
            return
        were, it = ("was", "it") if is_export(name) else ("were", "them")
        again = f"add --fresh {name.partition('s/')[0]} to make {it} again, or {self._elsewhere(name)}"
        for key in dict.fromkeys([*settings, *state.settings]):  # what decides most comes first
            before, now = state.settings.get(key), settings.get(key)
            if before != now:
                raise SetupError(
                    f"{name} in {self.path} {were} made with {key} = {before!r}, now it is {now!r};"
                    f" {what_to_do or again}",
                    key=key,
                    path=self.path,
                )

    @staticmethod
    def _elsewhere(name: StageName) -> str:
        return "write another with --to NAME" if is_export(name) else "name another folder with --out"

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
        state.finished, state.fresh = True, False
        state.notes = dict(notes or {})
        state.left = self.extent(name)
        state.made_of = self.captions_marks() if name.startswith(("verdicts", "export")) else {}
        state.wrote = self.hashes(name) if wrote is None else dict(wrote)
        self.save()

    def confirm_stage(self, name: StageName) -> None:
        """What ``name`` was made of is what there is now: remember what it looks like."""
        state = self.run_file.stages[name]
        made_of = self.captions_marks() if name.startswith(("verdicts", "export")) else {}
        if state.made_of != made_of:
            state.made_of = made_of
            self.save()

    def reopen_stage(self, name: StageName) -> None:
        """Mark ``name`` unfinished: it makes again what it misses, and keeps what is there."""
        state = self.run_file.stages[name]
        state.finished = False
        if name == "captions":  # jobs that were done are counted again
            state.inputs = {}
        self.save()

    def restore_stage(self, name: StageName, state: StageState | None) -> None:
        """Back to an earlier state of ``name``, which was begun last: what was to replace its files has come
        to nothing, and the settings that it was to be made with count no more."""
        self.run_file.stages.pop(name)
        if state is not None:
            self.run_file.stages[name] = state
        self.run_file.config, self.run_file.origins, self.run_file.versions = self._config_before
        self.save()

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
            for written in (*written_by(name), *_BESIDE.get(name, ())):
                path = self.path / written
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        self.run_file.stages.pop(name, None)
        self.save()
