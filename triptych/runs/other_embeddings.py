"""Embeddings that don't count now, with the sets that were made of them: by other encoders, or made before.

    RUN/other_embeddings/<digest>/    a run folder with images, embeddings and sets, and no more

Comes in: a run folder, the settings of its encoder. Goes out: the embeddings to go on with; those in the
place of others. Files are moved as they are, so an encoder that comes back finds its own again. A switch that
was killed half way is undone by the next. Not its job: making embeddings (see grouping.stage).
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
from triptych.runs.run_file import NAME, copy_of, is_run_folder
from triptych.runs.stage_record import RunFile, Setting, StageState, written_by

FOLDER = "other_embeddings"
_MOVING = "moving"
"""In it, what is on its way."""
_STAGES = ("embeddings", "sets")
_MOVED = (*written_by("embeddings"), *written_by("sets"), "grouping")


def other_embeddings(run: RunFolder) -> list[RunFolder]:
    """Those that can be read, each as a run folder; of the same settings the oldest first."""
    found = []
    for path in other_folders(run):
        with contextlib.suppress(SetupError):
            found.append(RunFolder.open(path))
    return found


def other_folders(run: RunFolder) -> list[Path]:
    """Where they lie, also those that can't be read."""
    root = run.path / FOLDER
    found = [path for path in root.iterdir() if path.name != _MOVING] if root.is_dir() else []
    return sorted(found, key=lambda path: (len(path.name), path.name))


def remove_other(folder: Path) -> None:
    """Remove other embeddings."""
    for file in (folder / NAME, copy_of(folder / NAME)):
        file.unlink(missing_ok=True)  # first: half of them are never taken up again
    shutil.rmtree(folder)


def embeddings_to_go_on_with(run: RunFolder, settings: Mapping[str, Setting]) -> RunFolder:
    """``run`` itself, those of its other embeddings that were made with ``settings``, or a folder without any
    where new ones are to be made. Changes nothing.

    Raises SetupError where those of the run were made with other settings, and new ones were not asked for.
    """
    state = run.run_file.stages.get("embeddings")
    if state is None:
        return run
    are_gone = not (state.finished or state.fresh or run.shards())  # killed in the middle of a switch
    if state.settings != settings or (are_gone and "embeddings" not in run.made_again):
        for other in reversed(other_embeddings(run)):
            if other.run_file.stages["embeddings"].settings == settings:
                return other
    if "embeddings" in run.made_again:
        return RunFolder(run.path / FOLDER / "new", RunFile())
    run.refuse_other_settings("embeddings", settings)
    return run


def switch_embeddings(run: RunFolder, other: RunFolder) -> None:
    """Put those of ``run`` aside, and ``other``, where there are any, in their place."""
    if run.shards():
        _put_aside(run)
    if is_run_folder(other.path):
        moving = run.path / FOLDER / _MOVING
        other.path.rename(moving)
        _put_in_place(run, moving)
        run.made_again.discard("embeddings")


def undo_half_a_switch(run: RunFolder) -> None:
    """Put back what was on its way when a switch was killed."""
    moving = run.path / FOLDER / _MOVING
    if (moving / NAME).exists() or any((moving / name).exists() for name in _MOVED):
        _put_in_place(run, moving)
    elif moving.exists():  # nothing was moved yet: its run.json comes before that, behind its copy
        shutil.rmtree(moving)


def _put_aside(run: RunFolder) -> None:
    root, stages = run.path / FOLDER, run.run_file.stages
    moving = root / _MOVING
    make_folder(moving)
    aside = RunFolder(moving, RunFile(versions=run.run_file.versions, config=run.run_file.config))
    aside.run_file.stages = {name: stages[name] for name in _STAGES if name in stages}
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
    if path.exists():
        path.rename(folder / path.name)
        sync_directory(folder)
        sync_directory(path.parent)
