"""Embeddings of other encoders, or earlier ones of the same encoder, kept with the sets made from them.

    RUN/other_embeddings/<digest>/    a run folder with only images, embeddings and sets

Comes in: a run folder, the settings of its encoder. Goes out: the embeddings to use, moved into place. Files
are moved unchanged, so switching back to an encoder finds its embeddings. An interrupted switch is undone by
the next command. Not its job: making embeddings (see grouping.stage).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from triptych.errors import SetupError
from triptych.runs.folder import RunFolder
from triptych.runs.generations import digest_of_settings
from triptych.runs.jsonl import make_folder, sync_directory
from triptych.runs.run_file import RUN_FILE_NAME, copy_of, is_run_folder
from triptych.runs.stage_record import RunFile, Setting, StageState, written_by

FOLDER = "other_embeddings"
_MOVING = "moving"
"""The folder in FOLDER with files that are being moved."""
_MOVED = (*written_by("embeddings"), *written_by("sets"), "grouping")


def other_embeddings(run: RunFolder) -> list[RunFolder]:
    """The readable other embeddings, each as a run folder; of the same settings, the oldest first."""
    found = []
    for path in other_folders(run):
        with contextlib.suppress(SetupError):
            found.append(RunFolder.open(path))
    return found


def other_folders(run: RunFolder) -> list[Path]:
    """The folders of all other embeddings, also of damaged ones."""
    root = run.path / FOLDER
    found = [path for path in root.iterdir() if path.name != _MOVING] if root.is_dir() else []
    return sorted(found, key=lambda path: (len(path.name), path.name))


def remove_other(folder: Path) -> None:
    """Remove other embeddings."""
    for file in (folder / RUN_FILE_NAME, copy_of(folder / RUN_FILE_NAME)):
        file.unlink(missing_ok=True)  # first, so that half of them are never used again
    shutil.rmtree(folder)


def embeddings_to_use(run: RunFolder, settings: Mapping[str, Setting]) -> RunFolder:
    """The embeddings to continue with: ``run`` itself, its other embeddings with these ``settings``, or a new
    folder for ``--fresh``. Changes nothing.

    Raises SetupError if all were made with other settings and ``--fresh`` wasn't given.
    """
    state = run.run_file.stages.get("embeddings")
    if state is None:
        return run
    is_half_switched = not (state.finished or state.fresh or run.shards())  # a switch was interrupted
    if state.settings != settings or (is_half_switched and "embeddings" not in run.fresh_stages):
        for other in reversed(other_embeddings(run)):
            if other.run_file.stages["embeddings"].settings == settings:
                return other
    if "embeddings" in run.fresh_stages:
        return RunFolder(run.path / FOLDER / "new", RunFile())
    run.refuse_other_settings("embeddings", settings)
    return run


def switch_embeddings(run: RunFolder, other: RunFolder) -> None:
    """Put the embeddings of ``run`` aside, and move ``other``, if it has any, into their place."""
    if run.shards() or (run.path / "embeddings").exists():  # a killed command may have left only a part
        _put_aside(run)
    if is_run_folder(other.path):
        moving = run.path / FOLDER / _MOVING
        other.path.rename(moving)
        _put_in_place(run, moving)
        run.fresh_stages.discard("embeddings")


def undo_interrupted_switch(run: RunFolder) -> None:
    """Move back the files of a switch that was interrupted."""
    moving = run.path / FOLDER / _MOVING
    if (moving / RUN_FILE_NAME).exists() or any((moving / name).exists() for name in _MOVED):
        _put_in_place(run, moving)
    elif moving.exists():  # nothing was moved yet: run.json is written before that
        shutil.rmtree(moving)


def _put_aside(run: RunFolder) -> None:
    root, stages = run.path / FOLDER, run.run_file.stages
    moving = root / _MOVING
    make_folder(moving)
    aside = RunFolder(moving, RunFile(versions=run.run_file.versions, config=run.run_file.config))
    aside.run_file.stages = {name: stages[name] for name in ("embeddings", "sets") if name in stages}
    aside.save()
    for name in aside.run_file.stages:
        run.run_file.stages[name] = StageState(settings=stages[name].settings)
    run.save()
    for name in _MOVED:
        _move(run.path / name, moving)
    digest, number = digest_of_settings(aside.run_file.stages["embeddings"].settings), 1
    while (place := root / (digest if number == 1 else f"{digest}-{number}")).exists():
        number += 1
    moving.rename(place)
    sync_directory(root)


def _put_in_place(run: RunFolder, moving: Path) -> None:
    states = RunFolder.open(moving).run_file.stages
    for name in _MOVED:
        _move(moving / name, run.path)
    run.run_file.stages |= states
    run.save()
    shutil.rmtree(moving)


def _move(path: Path, folder: Path) -> None:
    """Move ``path`` into ``folder``. A power cut may have left it in both places."""
    if path.is_dir() and (folder / path.name).is_dir():
        for each in path.iterdir():
            _move(each, folder / path.name)
    elif path.exists():
        path.rename(folder / path.name)
        sync_directory(folder)
        sync_directory(path.parent)
