"""Compares the bytes of a run's files with what the stages noted when they wrote them.

Comes in: a run. Goes out: findings, each with the file and what to do. Not its job: whether the files'
content adds up (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from triptych.api import Run
from triptych.errors import SetupError
from triptych.records import Caption, StatementCheck
from triptych.runs.arrays import map_embeddings
from triptych.runs.checkpoints import damaged_shards
from triptych.runs.checks import FOLDER as CHECKS
from triptych.runs.checks import lost_answer_lines
from triptych.runs.folder import RunFolder
from triptych.runs.generations import (
    FILE_NAME,
    Generation,
    captioned_jobs,
    changed_since_put_aside,
    generation_names,
)
from triptych.runs.human_verdicts import STORED, damage_line, damaged_lines
from triptych.runs.journal import journal_lines, read_journal
from triptych.runs.run_file import RUN_FILE_NAME, copy_of, read_twice_written
from triptych.runs.stage_record import RunFile, StageName
from triptych.runs.staleness import maker_of
from triptych.verify import Findings

MOST_LINES = 20
"""Damaged lines of a journal that are listed; more are only counted."""

_DAMAGED = "was damaged or edited after"


def check_twice_written(opened: Run, found: Findings) -> None:
    """run.json, and what each generation of captions was made with, are sound; so are their copies."""
    folder = opened.folder
    damaged = list(_damaged_copies(folder, opened.path / RUN_FILE_NAME, RunFile))
    for job in captioned_jobs(folder):
        for name in generation_names(folder, job):
            damaged += _damaged_copies(folder, folder.captions_root / job / name / FILE_NAME, Generation)
    found.violations += damaged
    if not damaged:
        found.checks.append("run.json, the settings of captions, and their copies are as they were written")


def _damaged_copies(folder: RunFolder, file: Path, kind: type[msgspec.Struct]) -> Iterator[str]:
    contents = []
    for each in (file, copy_of(file)):
        try:
            contents.append(read_twice_written(each, kind, folder.path))
        except SetupError as error:
            yield str(error)
    if len(contents) == 2 and contents[0] != contents[1]:
        yield f"{copy_of(file)} differs from {file.name}; `triptych repair {folder.path}` writes it again"


def check_files(opened: Run, found: Findings) -> None:
    """The files of each finished stage haven't changed since it finished."""
    folder = opened.folder
    damaged = damaged_shards(folder) if not folder.is_finished("embeddings") else ()
    found.violations += [f"{path} {_DAMAGED} it had been written; {_set_aside(folder)}" for path in damaged]
    for stage in folder.every_stage:
        state = folder.run_file.stages.get(stage)
        if state is None or not state.finished or not state.wrote:
            continue
        changed = folder.changed_files(stage)
        found.violations += [f"{folder.path / name} {_what_became(folder, stage, name)}" for name in changed]
        if not changed:
            found.checks.append(f"{len(state.wrote):,} files of {stage} are unchanged since it finished")


def _what_became(folder: RunFolder, stage: StageName, name: str) -> str:
    if not (folder.path / name).is_file():
        return f"is missing; {maker_of(stage, folder.path)} makes it again"
    if name not in folder.run_file.stages[stage].wrote:
        return f"is not a file that {stage} wrote; `triptych repair {folder.path}` sets it aside"
    return f"{_DAMAGED} {stage} had finished; {_set_aside(folder)}"


def _set_aside(folder: RunFolder) -> str:
    return f"`triptych repair {folder.path}` sets it aside, so that it is made again"


def check_journals(opened: Run, found: Findings) -> None:
    """All lines of all journals are intact, also of jobs, generations and checkers that aren't in use; no
    answer that was counted is missing, and people's verdicts can be read."""
    roots: dict[Path, type[Caption | StatementCheck]] = {
        opened.folder.captions_root: Caption,
        opened.path / CHECKS: StatementCheck,
    }
    journals = [(path, kind) for root, kind in roots.items() for path in sorted(root.rglob("*.jsonl"))]
    lines = 0
    damaged: list[str] = []
    with opened.progress.task("check journals", len(journals), "files") as task:
        for path, kind in journals:
            try:
                lines += len(read_journal(path, kind))
            except SetupError:
                damaged += _damaged_lines(path, kind, opened.folder)
            task.advance(1)
    damaged += [
        f"{opened.folder.captions_root / name} has other captions than when it was put aside; restore its"
        f" files, or accept the loss with `triptych repair {opened.path}`"
        for name in changed_since_put_aside(opened.folder)
    ]
    damaged += lost_answer_lines(opened.folder, opened.folder.run_file.checked)
    if broken := damaged_lines(opened.path):
        damaged.append(damage_line(opened.path / STORED, broken))
    found.violations += damaged
    if journals and not damaged:
        found.checks.append(f"{lines:,} lines in {len(journals):,} journals are as they were written")


def _damaged_lines(path: Path, kind: type[msgspec.Struct], folder: RunFolder) -> Iterator[str]:
    broken = [line for line in journal_lines(path, kind) if line.damage is not None]
    for line in broken[:MOST_LINES]:
        yield f"{path}, line {line.number}: {line.damage}; {_set_aside(folder)}"
    if len(broken) > MOST_LINES:
        yield f"{path}: {len(broken) - MOST_LINES:,} more damaged lines"


def check_embeddings(opened: Run, found: Findings) -> None:
    """Each shard's array has one row for each readable image."""
    folder = opened.folder
    rows = shards = 0
    for shard in folder.shards():
        path = folder.embeddings_file(shard)
        embedded = sum(record.is_embedded for record in folder.images(shard))
        try:
            rows += len(map_embeddings(path, embedded))
            shards += 1
        except SetupError as error:
            found.violations.append(str(error))
    found.checks.append(f"{rows:,} embeddings in {shards:,} shards match their images")
