"""The state of each stage of a run, and the settings and inputs that it ran with.

Comes in: a stage's settings and digests of what it reads. Goes out: whether it has work to do; its state, in
run.json. If settings differ, the user decides; if only inputs differ, the stage runs again. Not its job:
paths and records (see folder), whether files have changed (see stage_files), what a stage does.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.errors import SetupError
from triptych.runs.run_file import RUN_FILE_NAME, write_twice
from triptych.runs.stage_files import StageFiles
from triptych.runs.stage_record import RunFile, Setting, StageName, StageState, is_export, written_by


class StageStates(StageFiles):
    """The stages of the run in ``path``. Changes of a state are on disk when the method returns."""

    def __init__(self, path: Path, run_file: RunFile) -> None:
        super().__init__(path, run_file)
        self.fresh_stages: set[StageName] = set()
        """Stages of ``--fresh``, which start over even if their settings changed. In memory only."""
        self._saved = self._config()
        """The config in run.json; shared with the copies that ``with_export`` makes."""
        self._config_before = list(self._saved)
        """The config in run.json before the last stage began."""

    def save(self) -> None:
        """Write run.json and its copy."""
        write_twice(self.path / RUN_FILE_NAME, self.run_file)
        self._saved[:] = self._config()

    @property
    def has_other_config(self) -> bool:
        """Whether config, origins or versions differ from run.json."""
        return self._saved != self._config()

    def _config(self) -> list[Any]:
        return [self.run_file.config, self.run_file.origins, self.run_file.versions]

    def has_work(self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]) -> bool:
        """Return or raise what ``begin_stage`` would. Changes nothing."""
        self.refuse_other_settings(name, settings)
        self.refuse_damage(inputs)
        state = self.run_file.stages.get(name)
        return (
            state is None or not state.finished or state.inputs != dict(inputs) or name in self.fresh_stages
        )

    def begin_stage(
        self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]
    ) -> bool:
        """Whether ``name`` has work to do. Call it before the stage writes anything.

        False: it finished with the same settings and inputs. True: it is new, was interrupted or has other
        inputs. Its earlier files stay until new ones replace them, except verdicts, which are removed.
        Raises SetupError if ``settings`` differ from those it was begun with, or if the files behind
        ``inputs`` have changed since the stages that wrote them finished.
        """
        if not self.has_work(name, settings, inputs):
            self.confirm_stage(name)
            return False
        self._config_before = list(self._saved)
        state, is_fresh = self.run_file.stages.get(name), name in self.fresh_stages
        if state is None or state.inputs != dict(inputs) or is_fresh:
            if state is not None and name == "verdicts":
                self.discard(name)
            goes_on = name == "captions" or (name == "sets" and not is_fresh)
            notes = dict(state.notes) if state is not None and goes_on else {}
            wrote = dict(state.wrote) if state is not None and is_export(name) else {}
            self.run_file.stages[name] = StageState(
                settings=dict(settings), inputs=dict(inputs), notes=notes, fresh=is_fresh, wrote=wrote
            )
        self.fresh_stages.discard(name)
        self.save()
        return True

    def resume_fresh(
        self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]
    ) -> None:
        """Resume ``name`` instead of starting over if the same ``--fresh`` command was interrupted in it."""
        state = self.run_file.stages.get(name)
        if state is not None and state.fresh and (state.settings, state.inputs) == (settings, inputs):
            self.fresh_stages.discard(name)

    def refuse_other_settings(
        self, name: StageName, settings: Mapping[str, Setting], what_to_do: str = ""
    ) -> None:
        """Raise SetupError if ``name`` was begun with other settings. Changes nothing.

        ``what_to_do`` replaces the advice in commands that can't run the stage.
        """
        state = self.run_file.stages.get(name)
        if state is None or name in self.fresh_stages:
            return
        were, it, elsewhere = ("were", "them", "name another folder with --out")
        if is_export(name):
            were, it, elsewhere = ("was", "it", "write another with --to NAME")
        again = f"add --fresh {name.partition('s/')[0]} to make {it} again, or {elsewhere}"
        for key in dict.fromkeys([*settings, *state.settings]):  # the most important ones come first
            before, now = state.settings.get(key), settings.get(key)
            if before != now:
                raise SetupError(
                    f"{name} in {self.path} {were} made with {key} = {before!r}, now it is {now!r};"
                    f" {what_to_do or again}",
                    key=key,
                    path=self.path,
                )

    def finish_stage(
        self,
        name: StageName,
        notes: Mapping[str, Setting] | None = None,
        wrote: Mapping[str, str] | None = None,
    ) -> None:
        """Mark ``name`` finished and store its ``notes``.

        ``wrote``: the SHA-256 of each of its files by path, if they are known already.
        """
        state = self.run_file.stages[name]
        state.finished, state.fresh = True, False
        state.notes = dict(notes or {})
        state.left = self.extent(name)
        state.made_of = self.captions_marks() if name.startswith(("verdicts", "export")) else {}
        state.wrote = self.hashes(name) if wrote is None else dict(wrote)
        self.save()

    def confirm_stage(self, name: StageName) -> None:
        """Note that ``name`` was made of the captions that exist now."""
        state = self.run_file.stages[name]
        made_of = self.captions_marks() if name.startswith(("verdicts", "export")) else {}
        if state.made_of != made_of:
            state.made_of = made_of
            self.save()

    def reopen_stage(self, name: StageName) -> None:
        """Mark ``name`` unfinished, so that it makes again what is missing and keeps the rest."""
        state = self.run_file.stages[name]
        state.finished = False
        if name == "captions":  # so that finished jobs are counted again
            state.inputs = {}
        self.save()

    def restore_stage(self, name: StageName, state: StageState | None) -> None:
        """Undo ``begin_stage`` of ``name``, the last stage begun: restore its state and config before."""
        self.run_file.stages.pop(name)
        if state is not None:
            self.run_file.stages[name] = state
        self.run_file.config, self.run_file.origins, self.run_file.versions = self._config_before
        self.save()

    def discard(self, name: StageName) -> None:
        """Remove everything that stage ``name`` wrote. Captions stay on disk, but no generation is current.

        The stage is marked unfinished first and forgotten last, so a crash in between is noticed.
        """
        state = self.run_file.stages.get(name)
        if state is not None:
            state.finished = False
            self.save()
        if name == "captions":
            self.run_file.generations = {}
        else:
            for written in (*written_by(name), *(["grouping"] if name == "sets" else [])):
                path = self.path / written
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        self.run_file.stages.pop(name, None)
        self.save()
