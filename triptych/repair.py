"""Damage in a run folder, and how only what is damaged is made again: what `triptych repair` does.

Comes in: a run folder. Goes out: what is damaged and what becomes of it, in words; and that done. What is
damaged is moved to ``RUN/damaged/<time>/``, from where it can be put back; nothing is deleted. The next
`triptych run` makes what is missing then. Not its job: making it; what doesn't add up (see triptych.verify).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

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
from triptych.runs.run_file import NAME, copy_of, read_run_file, read_twice_written, write_twice
from triptych.runs.stage_record import RunFile, StageName
from triptych.runs.staleness import maker_of

T = TypeVar("T", bound=msgspec.Struct)
_Row = TypeVar("_Row", Caption, StatementCheck)

DAMAGED_FOLDER = "damaged"


class _Mend(Protocol):
    def __call__(self, aside: Path) -> None: ...


class Damage(NamedTuple):
    """Something that is not as it was written."""

    what: str
    """In one line, with what becomes of it."""
    mend: _Mend
    """Does that. ``aside``: where to move what is damaged."""
    made_by: str = "`triptych run`"
    """The command that makes again what is missing then."""
    stage: StageName | None = None
    """Which is unfinished then."""


def find_damage(path: Path) -> list[Damage]:
    """Everything in the run folder ``path`` that can be set aside, in the order in which it has to be.

    Changes nothing. Raises SetupError where the folder is no run, or neither run.json nor its copy is sound.
    """
    folder = RunFolder(path, _sound_run_file(path))
    damage = list(_one_of_two(folder, path / NAME, RunFile))
    for job in captioned_jobs(folder):
        for name in generation_names(folder, job):
            damage += _one_of_two(
                folder,
                folder.captions_root / job / name / FILE_NAME,
                Generation,
                partial(Generation.lies_in, job=job, name=name),
            )
    for stage in folder.every_stage:
        damage += _caption_damage(folder) if stage == "captions" else _file_damage(folder, stage)
    damage += _journal_damage(folder, path / CHECKS, StatementCheck)
    return [*damage, *_lost_answers(folder)]


def repair(path: Path, damage: list[Damage]) -> Path:
    """Set aside what ``find_damage`` has found; needs the folder's lock. Returns where it lies now."""
    aside = path / DAMAGED_FOLDER / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    while aside.exists():
        aside = aside.with_name(aside.name + "_")
    make_folder(aside)
    for each in damage:
        each.mend(aside)
    # Not before: where this ends early, the stages are still finished, and what is left is still seen.
    folder = RunFolder.open(path)
    for stage in dict.fromkeys(each.stage for each in damage if each.stage is not None):
        folder.reopen_stage(stage)
    return aside


def _sound_run_file(path: Path) -> RunFile:
    """What run.json says, or its copy where that is damaged."""
    copy = copy_of(path / NAME)
    try:
        return read_run_file(path, RunFile)
    except SetupError as error:
        if error.path == path:  # no run, or one of another version
            raise
    try:
        return read_run_file(path, RunFile, copy)
    except SetupError:
        raise SetupError(
            f"{path / NAME} and its copy {copy.name} are both damaged, so what the run was made with is lost;"
            " put one of them back, or begin in another folder",
            path=path,
        ) from None


def _one_of_two(
    folder: RunFolder, file: Path, kind: type[T], is_right: Callable[[T], bool] = lambda _: True
) -> Iterator[Damage]:
    """Of a file that lies there twice the one that is damaged, gone or wrong; nothing where both are."""
    said: dict[Path, T] = {}
    for each in (file, copy_of(file)):
        with contextlib.suppress(SetupError):
            found = read_twice_written(each, kind, folder.path)
            if is_right(found):
                said[each] = found
    for each in (file, copy_of(file)):
        if said and said.get(each) != next(iter(said.values())):
            yield Damage(
                f"{each} is damaged or gone; it is written again, as the other of the two has it",
                partial(_write_again, folder, file, each, next(iter(said.values()))),
            )


def _write_again(folder: RunFolder, file: Path, damaged: Path, content: msgspec.Struct, aside: Path) -> None:
    _move(folder.path, damaged.relative_to(folder.path).as_posix(), aside)
    write_twice(file, content)


def _file_damage(folder: RunFolder, stage: StageName) -> Iterator[Damage]:
    """Files of ``stage`` that are there and not as it left them; before it has finished, unreadable ones."""
    state = folder.run_file.stages.get(stage)
    if state is None:
        return
    if state.finished and state.wrote:
        names = [name for name in folder.changed_files(stage) if os.path.lexists(folder.path / name)]
    else:
        names = [*dict.fromkeys(_unreadable(folder))] if stage == "embeddings" else []
    for name in names:
        yield Damage(
            f"{folder.path / name} is not what {stage} left; it is set aside and made again",
            partial(_set_aside, folder, name),
            maker_of(stage, folder.path),
            stage,
        )


def _unreadable(folder: RunFolder) -> Iterator[str]:
    """Of images and embeddings that lie there while more are made: going on with them would fail, or lie."""
    yield from (path.relative_to(folder.path).as_posix() for path in damaged_shards(folder))
    try:
        if folder.sources_file.exists():
            list(listed_shards(folder))
    except SetupError:
        yield folder.sources_file.relative_to(folder.path).as_posix()
    for shard in folder.shards():
        images, embeddings = folder.images_file(shard), folder.embeddings_file(shard)
        embedded: int | None = None
        try:
            embedded = sum(each.is_embedded for each in read_whole_jsonl(images, ImageRecord))
        except SetupError:
            yield images.relative_to(folder.path).as_posix()
        try:
            if embeddings.exists():
                map_embeddings(embeddings, embedded)
        except SetupError:
            yield embeddings.relative_to(folder.path).as_posix()


def _set_aside(folder: RunFolder, name: str, aside: Path) -> None:
    _move(folder.path, name, aside)


def _caption_damage(folder: RunFolder) -> Iterator[Damage]:
    """Damaged journals, and those that are others than when they were put aside."""
    yield from _journal_damage(folder, folder.captions_root, Caption)
    for name in changed_since_put_aside(folder):
        yield Damage(
            f"{folder.captions_root / name} has other captions than when it was put aside; put back what"
            " there was, or it is noted that this is all",
            partial(_accept, folder, name),
        )


def _journal_damage(folder: RunFolder, root: Path, kind: type[_Row]) -> Iterator[Damage]:
    """Journals with damaged lines, or with a caption twice. Answers of checks may come twice: one failed."""
    for path in sorted(root.rglob("*.jsonl")):
        try:
            rows = read_journal(path, kind)
            if kind is StatementCheck or len({(row.id, row.content) for row in rows}) == len(rows):
                continue
        except SetupError:
            pass
        broken, repeated = _bad_lines(path, kind)
        found = {"damaged": len(broken), "of captions that come again": len(repeated)}
        counts = ", ".join(f"{count:,} {what}" for what, count in found.items() if count)
        yield Damage(
            f"{path}: lines that are set aside, so that what is missing then is made again: {counts}",
            partial(_take_out_lines, folder, path, kind),
            "`triptych run`" if kind is Caption else f"`triptych check {folder.path}`",
        )


def _lost_answers(folder: RunFolder) -> Iterator[Damage]:
    """Answers of checks that have gone, whole lines or files."""
    for job, found in lost_answers(folder, folder.run_file.checked).items():
        yield Damage(
            f"{found}; put them back, or run `triptych check {folder.path}` to ask again; else it is noted"
            " that this is all",
            partial(_forget_answers, folder, job),
            f"`triptych check {folder.path}`",
        )


def _forget_answers(folder: RunFolder, job: str, aside: Path) -> None:
    forget_outcome(folder, job)


def _accept(folder: RunFolder, name: str, aside: Path) -> None:
    accept_change(folder, name)


def _bad_lines(path: Path, kind: type[_Row]) -> tuple[set[int], set[int]]:
    """The numbers of damaged lines, and of lines whose caption comes again: the last one counts."""
    last: dict[tuple[str, str], int] = {}
    broken, repeated = set(), set()
    for line in journal_lines(path, kind):
        if line.record is None:
            broken.add(line.number)
            continue
        written = line.record.id, line.record.content
        if written in last and kind is Caption:
            repeated.add(last[written])
        last[written] = line.number
    return broken, repeated


def _take_out_lines(folder: RunFolder, path: Path, kind: type[_Row], aside: Path) -> None:
    """Write the bad lines aside, then the journal without them."""
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
    """Move what lies in the place of a file of the run to its place below ``aside``."""
    if not os.path.lexists(root / name):
        return
    moved = aside / name
    make_folder(moved.parent)
    (root / name).rename(moved)
    sync_directory(moved.parent)
    sync_directory((root / name).parent)
