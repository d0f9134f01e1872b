"""Reloads an export and checks it against its manifest and against the run it was made from.

Comes in: a run folder with an export. Goes out: what was checked, with counts, and what is wrong, in
words. Nothing is believed that can be recounted. Memory: one shard, and 8 bytes a row. Not its job: the
ledger (see runs.ledger), the images themselves (see verify).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import msgspec

from triptych.export.check.expected import ExpectedRow, expected_rows
from triptych.export.check.rows import row_offences
from triptych.export.check.unique import UniqueIds
from triptych.export.file_names import CARD_NAME, CROISSANT_NAME, MANIFEST_NAME, rows_file_name
from triptych.export.formats import FORMATS, layout_of
from triptych.export.manifest import FileEntry, Manifest
from triptych.export.rows_file import read_lines
from triptych.progress import Progress, Task
from triptych.records import JobName
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of

MOST_OFFENCES_A_FILE = 20
"""More are counted, not listed."""

_ROWS_A_TICK = 1024
"""Progress is told of so many at a time."""


class Check(msgspec.Struct, frozen=True):
    """Something that was looked at, and how many of it."""

    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,}"


def check_export(run: RunFolder, progress: Progress) -> tuple[list[Check], list[str]]:
    """What was checked, and every offence (up to MOST_OFFENCES_A_FILE a file). Changes nothing."""
    path = run.export_folder / MANIFEST_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return [], [f"{path} is not there: nothing was exported, or it was removed"]
    except msgspec.MsgspecError as error:
        return [], [f"{path} is not a manifest: {error}"]
    intact, offences = _check_files(run, manifest, progress)
    checks = [Check("export: files with the manifest's checksum", len(intact))]
    for name, entry in manifest.files.items():
        if entry.job is None or name not in intact:
            continue
        with progress.task(f"check {entry.job}", entry.rows, "rows") as task:
            found = _FileCheck(run, manifest, name, entry, entry.job).offences(task)
            some = list(itertools.islice(found, MOST_OFFENCES_A_FILE))
            more = sum(1 for _ in found)
        offences += some
        if more:
            offences.append(f"{name}: {more:,} more offences")
        if not some:
            checks.append(Check(f"export: rows of {name}, each the caption that was kept", entry.rows or 0))
    return checks, offences


def _check_files(run: RunFolder, manifest: Manifest, progress: Progress) -> tuple[set[str], list[str]]:
    """The names of the files that are as the manifest says, and offences."""
    intact, offences = set(), []
    with progress.task("check files", len(manifest.files), "files") as task:
        for name, entry in manifest.files.items():
            path = run.export_folder / name
            if not path.is_file():
                offences.append(f"{path} is in the manifest, but not there")
            elif path.stat().st_size != entry.size_bytes:
                offences.append(
                    f"{path} has {path.stat().st_size:,} bytes, the manifest says {entry.size_bytes:,}"
                )
            elif sha256_of(path) != entry.sha256:
                offences.append(f"{path} has another checksum than in the manifest: it was changed")
            else:
                intact.add(name)
            task.advance(1)
    known = {MANIFEST_NAME, *manifest.files}
    there = sorted(path for path in run.export_folder.rglob("*") if path.is_file())
    offences += [f"{path} is not in the manifest" for path in there if path.name not in known]
    for needed in (CARD_NAME, CROISSANT_NAME):
        if needed not in manifest.files:
            offences.append(f"{run.export_folder / MANIFEST_NAME} names no {needed}")
    return intact, offences


class _FileCheck:
    """One file of rows against the kept captions of the run."""

    def __init__(self, run: RunFolder, manifest: Manifest, name: str, entry: FileEntry, job: JobName) -> None:
        self._run, self._manifest, self._name = run, manifest, name
        self._entry, self._job = entry, job
        self._format = FORMATS[manifest.row_format]
        self._decoder = msgspec.json.Decoder(self._format.row_type(layout_of(job)))
        self._ids = UniqueIds()

    def offences(self, task: Task) -> Iterator[str]:
        """One line for each thing wrong with the file or with one of its rows."""
        expected = expected_rows(self._run, self._job, self._manifest.prompts[self._job])
        rows = 0
        for line in self._lines():
            rows += 1
            if rows % _ROWS_A_TICK == 0:
                task.advance(_ROWS_A_TICK)
            yield from self._row(rows, line, expected)
        task.advance(rows % _ROWS_A_TICK)
        for identifier in self._ids.repeated(self._ids_again):
            yield f"{self._name}: id {identifier} came before"
        missing = sum(1 for _ in expected)
        if missing:
            yield f"{self._name}: {missing:,} kept captions are not in it"
        if rows != self._entry.rows:
            yield f"{self._name} has {rows:,} rows, the manifest says {self._entry.rows}"
        end = rows_file_name("", self._job, rows, self._manifest.file_type)
        if not self._name.endswith(end):
            yield f"{self._name} has {rows:,} rows, so its name should end in {end}"

    def _row(self, number: int, line: bytes, expected: Iterator[ExpectedRow]) -> Iterator[str]:
        wanted = next(expected, None)
        try:
            row = self._decoder.decode(line)
            facts = self._format.facts(row)
        except (msgspec.MsgspecError, ValueError) as error:
            yield f"{self._name}, row {number}: {error}"
            return
        self._ids.add(facts.id)
        for offence in row_offences(facts, wanted, self._format.speakers):
            yield f"{self._name}, row {number} ({facts.id}): {offence}"

    def _lines(self) -> Iterator[bytes]:
        return read_lines(self._run.export_folder / self._name, self._manifest.file_type)

    def _ids_again(self) -> Iterator[str]:
        for line in self._lines():
            with contextlib.suppress(msgspec.MsgspecError, ValueError):
                yield self._format.facts(self._decoder.decode(line)).id
