"""Repair of damaged run folders: `triptych repair`.

Comes in: a run folder. Goes out: a description of each damage and of its repair; and the repair. Damaged
files are moved to ``RUN/damaged/<time>/``, from where they can be put back; nothing is deleted. The next
`triptych run` makes what is missing. Not its job: making it; counts that don't add up (see triptych.verify).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.records import Caption, ImageRecord, StatementCheck
from triptych.runs.arrays import map_embeddings
from triptych.runs.checkpoints import damaged_shards
from triptych.runs.checks import FOLDER as CHECKS
from triptych.runs.checks import forget_outcome, lost_answers
from triptych.runs.folder import RunFolder
from triptych.runs.generations import (
    FILE_NAME,
    Generation,
    accept_change,
    captioned_jobs,
    changed_since_put_aside,
    generation_names,
)
from triptych.runs.journal import JournalLine, journal_lines, read_journal
from triptych.runs.jsonl import make_folder, read_whole_jsonl, sync_directory, written_whole
from triptych.runs.missing_sources import listed_shards
from triptych.runs.run_file import RUN_FILE_NAME, copy_of, read_run_file, read_twice_written, write_twice
from triptych.runs.stage_record import RunFile, StageName
from triptych.runs.staleness import maker_of

T = TypeVar("T", bound=msgspec.Struct)
_Row = TypeVar("_Row", Caption, StatementCheck)

DAMAGED_FOLDER = "damaged"


class Damage(NamedTuple):
    """Something that is not as it was written."""

    what: str
    """The damage and its repair, in one line."""
    fix: Callable[[Path], None]
    """Repairs it. The argument is the folder to move damaged files to."""
    made_by: str = "`triptych run`"
    """The command that then makes what is missing."""
    stage: StageName | None = None
    """The stage that is unfinished after the repair."""


def find_damage(path: Path) -> list[Damage]:
    """All damage in the run folder ``path`` that can be repaired, in the order of repair. Changes nothing.

    Raises SetupError if the folder is not a run, or run.json and its copy are both damaged.
    """
    folder = RunFolder(path, _sound_run_file(path))
    damage = list(_copy_damage(folder, path / RUN_FILE_NAME, RunFile))
    for job in captioned_jobs(folder):
        for name in generation_names(folder, job):
            damage += _copy_damage(
                folder,
                folder.captions_root / job / name / FILE_NAME,
                Generation,
                partial(Generation.belongs_in, job=job, name=name),
            )
    for stage in folder.every_stage:
        damage += _caption_damage(folder) if stage == "captions" else _file_damage(folder, stage)
    damage += _journal_damage(folder, path / CHECKS, StatementCheck)
    return [*damage, *_lost_answers(folder)]


def repair(path: Path, damage: list[Damage]) -> Path:
    """Repair what ``find_damage`` found; needs the folder's lock. Returns the folder of the damaged files."""
    aside = path / DAMAGED_FOLDER / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    while aside.exists():
        aside = aside.with_name(aside.name + "_")
    make_folder(aside)
    for each in damage:
        each.fix(aside)
    # Only now: after an interrupted repair the stages are still finished, so that damage is still found.
    folder = RunFolder.open(path)
    for stage in dict.fromkeys(each.stage for each in damage if each.stage is not None):
        folder.reopen_stage(stage)
    return aside


def _sound_run_file(path: Path) -> RunFile:
    """The content of run.json, or of its copy if that is damaged."""
    copy = copy_of(path / RUN_FILE_NAME)
    try:
        return read_run_file(path, RunFile)
    except SetupError as error:
        if error.path == path:  # not a run, or one of another version
            raise
    try:
        return read_run_file(path, RunFile, copy)
    except SetupError:
        raise SetupError(
            f"{path / RUN_FILE_NAME} and its copy {copy.name} are both damaged, so the settings of"
            " the run are lost; put one of them back, or begin in another folder",
            path=path,
        ) from None


def _copy_damage(
    folder: RunFolder, file: Path, kind: type[T], is_right: Callable[[T], bool] = lambda _: True
) -> Iterator[Damage]:
    """A damaged, missing or wrong one of ``file`` and its copy; nothing if both are."""
    sound: dict[Path, T] = {}
    for each in (file, copy_of(file)):
        with contextlib.suppress(SetupError):
            content = read_twice_written(each, kind, folder.path)
            if is_right(content):
                sound[each] = content
    if not sound:
        return
    right = next(iter(sound.values()))
    for each in (file, copy_of(file)):
        if sound.get(each) != right:
            yield Damage(
                f"{each} is damaged or missing; it is written again from the other of the two",
                partial(_write_again, folder, file, each, right),
            )


def _write_again(folder: RunFolder, file: Path, damaged: Path, content: msgspec.Struct, aside: Path) -> None:
    _move(folder.path, damaged.relative_to(folder.path).as_posix(), aside)
    write_twice(file, content)


def _file_damage(folder: RunFolder, stage: StageName) -> Iterator[Damage]:
    """Existing files of ``stage`` that have changed since it finished; before that, unreadable ones."""
    state = folder.run_file.stages.get(stage)
    if state is None:
        return
    if state.finished and state.wrote:
        names = [name for name in folder.changed_files(stage) if os.path.lexists(folder.path / name)]
    else:
        paths = dict.fromkeys(_unreadable(folder)) if stage == "embeddings" else ()
        names = [path.relative_to(folder.path).as_posix() for path in paths]
    for name in names:
        yield Damage(
            f"{folder.path / name} is not what {stage} left; it is set aside and made again",
            partial(_move, folder.path, name),
            maker_of(stage, folder.path),
            stage,
        )


def _unreadable(folder: RunFolder) -> Iterator[Path]:
    """Damaged files of images and embeddings of an unfinished stage: resuming would fail, or trust them."""
    yield from damaged_shards(folder)
    try:
        if folder.sources_file.exists():
            list(listed_shards(folder))
    except SetupError:
        yield folder.sources_file
    for shard in folder.shards():
        images, embeddings = folder.images_file(shard), folder.embeddings_file(shard)
        embedded: int | None = None
        try:
            embedded = sum(each.is_embedded for each in read_whole_jsonl(images, ImageRecord))
        except SetupError:
            yield images
        try:
            if embeddings.exists():
                map_embeddings(embeddings, embedded)
        except SetupError:
            yield embeddings


def _caption_damage(folder: RunFolder) -> Iterator[Damage]:
    """Damaged journals, and older generations that have changed since they were put aside."""
    yield from _journal_damage(folder, folder.captions_root, Caption)
    for name in changed_since_put_aside(folder):
        yield Damage(
            f"{folder.captions_root / name} has other captions than when it was put aside; put back what"
            " there was, or what is there now is accepted",
            partial(_accept, folder, name),
        )


def _journal_damage(folder: RunFolder, root: Path, kind: type[_Row]) -> Iterator[Damage]:
    """Journals with damaged lines or repeated captions. Answers of checks may repeat, after a failure."""
    for path in sorted(root.rglob("*.jsonl")):
        try:
            rows = read_journal(path, kind)
            if kind is StatementCheck or len({(row.id, row.content) for row in rows}) == len(rows):
                continue
        except SetupError:
            pass
        broken, repeated = _bad_lines(path, kind)
        lines = {"damaged": len(broken), "of repeated captions": len(repeated)}
        counts = ", ".join(f"{count:,} {what}" for what, count in lines.items() if count)
        yield Damage(
            f"{path}: lines that are set aside, so that what they held is made again: {counts}",
            partial(_take_out_lines, folder, path, kind),
            "`triptych run`" if kind is Caption else f"`triptych check {folder.path}`",
        )


def _lost_answers(folder: RunFolder) -> Iterator[Damage]:
    """Answers of checks that are missing, whole lines or files."""
    for job, found in lost_answers(folder, folder.run_file.checked).items():
        yield Damage(
            f"{found}; put them back, or run `triptych check {folder.path}` to ask again; otherwise"
            " what is there now is accepted",
            partial(_forget_answers, folder, job),
            f"`triptych check {folder.path}`",
        )


def _forget_answers(folder: RunFolder, job: str, aside: Path) -> None:
    forget_outcome(folder, job)


def _accept(folder: RunFolder, name: str, aside: Path) -> None:
    accept_change(folder, name)


def _bad_lines(path: Path, kind: type[_Row]) -> tuple[set[int], set[int]]:
    """The numbers of damaged lines, and of lines whose caption is repeated later: the last one counts."""
    last: dict[tuple[str, str], int] = {}
    broken, repeated = set(), set()
    for line in journal_lines(path, kind):
        if line.record is None:
            broken.add(line.number)
            continue
        identity = line.record.id, line.record.content
        if identity in last and kind is Caption:
            repeated.add(last[identity])
        last[identity] = line.number
    return broken, repeated


def _take_out_lines(folder: RunFolder, path: Path, kind: type[_Row], aside: Path) -> None:
    """Write the bad lines to ``aside``, then the journal without them."""
    if kind is Caption and "captions" in folder.run_file.stages:
        folder.reopen_stage("captions")
    broken, repeated = _bad_lines(path, kind)
    bad = broken | repeated
    lines: list[JournalLine[_Row]] = list(journal_lines(path, kind))
    with written_whole(aside / path.relative_to(folder.path)) as file:
        file.writelines(line.content for line in lines if line.number in bad)
    with written_whole(path) as file:
        file.writelines(line.content for line in lines if line.number not in bad)
    if kind is Caption:
        accept_change(folder, "/".join(path.relative_to(folder.captions_root).parts[:2]))
    else:
        forget_outcome(folder, path.relative_to(folder.path / CHECKS).parts[0])


def _move(root: Path, name: str, aside: Path) -> None:
    """Move ``root / name``, if it exists, to the same place below ``aside``."""
    if not os.path.lexists(root / name):
        return
    moved = aside / name
    make_folder(moved.parent)
    (root / name).rename(moved)
    sync_directory(moved.parent)
    sync_directory((root / name).parent)
