"""Reloads an export and checks it against its manifest and against the run it was made from.

Comes in: a run with an export. Goes out: what was checked, with counts, and mismatches of files and of single
rows, in words. Nothing is believed that can be recounted. Memory: one shard, and 8 bytes a row. Not its job:
the ledger (see runs.ledger), the images themselves (see verify).
"""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections.abc import Callable, Iterator

import msgspec

from triptych.errors import SetupError
from triptych.export.check.expected import ExpectedRow, expected_rows
from triptych.export.containers import CONTAINERS
from triptych.export.containers.rows_file import read_lines
from triptych.export.conversation_text import IMAGE_TAG
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import RowFacts
from triptych.export.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    labels,
    read_manifest,
    rows_file_name,
)
from triptych.jobs import Job
from triptych.progress import Progress, Task
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of
from triptych.runs.sampling import hash64

MAX_MISMATCHES_A_FILE = 20
"""More are counted, not listed."""

_ROWS_A_TICK = 1024
"""Progress advances by so many."""


class Check(msgspec.Struct, frozen=True):
    """Something that was looked at, and how many of it."""

    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,}"


def check_export(run: RunFolder, progress: Progress) -> tuple[list[Check], list[str]]:
    """What was checked, and every mismatch (up to MAX_MISMATCHES_A_FILE a file). Changes nothing."""
    try:
        manifest = read_manifest(run.export_folder)
    except SetupError as error:
        return [], [str(error)]
    if manifest.row_format not in FORMATS or manifest.file_type not in CONTAINERS:
        return [], [
            f"{run.export_folder / MANIFEST_NAME} names row format {manifest.row_format} and file type"
            f" {manifest.file_type}; this Triptych knows {', '.join(FORMATS)} and {', '.join(CONTAINERS)}"
        ]
    intact, mismatches = _check_files(run, manifest, progress)
    checks = [Check("export: files with the manifest's checksum", len(intact))]
    for name, entry in manifest.files.items():
        if entry.job is None or name not in intact:
            continue
        if entry.job not in manifest.jobs:
            mismatches.append(f"{name} has rows of {entry.job}, which is no job of the manifest")
            continue
        with progress.task(f"check {entry.job}", entry.rows, "rows") as task:
            found = _FileCheck(run, manifest, name, entry).mismatches(task)
            some = list(itertools.islice(found, MAX_MISMATCHES_A_FILE))
            more = sum(1 for _ in found)
        mismatches += some
        if more:
            mismatches.append(f"{name}: {more:,} more mismatches")
        if not some:
            checks.append(Check(f"export: rows of {name}, each the caption that was kept", entry.rows or 0))
    return checks, mismatches


def _check_files(run: RunFolder, manifest: Manifest, progress: Progress) -> tuple[set[str], list[str]]:
    """The names of the files that are as the manifest says, and mismatches."""
    intact, mismatches = set(), []
    with progress.task("check files", len(manifest.files), "files") as task:
        for name, entry in manifest.files.items():
            path = run.export_folder / name
            if not path.is_file():
                mismatches.append(f"{path} is in the manifest, but not there")
            elif path.stat().st_size != entry.size_bytes:
                mismatches.append(
                    f"{path} has {path.stat().st_size:,} bytes, the manifest says {entry.size_bytes:,}"
                )
            elif sha256_of(path) != entry.sha256:
                mismatches.append(f"{path} has another checksum than in the manifest: it was changed")
            else:
                intact.add(name)
            task.advance(1)
    known = {MANIFEST_NAME, *manifest.files}
    there = sorted(path for path in run.export_folder.rglob("*") if path.is_file())
    mismatches += [f"{path} is not in the manifest" for path in there if path.name not in known]
    if CARD_NAME not in manifest.files:
        mismatches.append(f"{run.export_folder / MANIFEST_NAME} names no {CARD_NAME}")
    return intact, mismatches


class _FileCheck:
    """One file of rows against the kept captions of the run."""

    def __init__(self, run: RunFolder, manifest: Manifest, name: str, entry: FileEntry) -> None:
        self._run, self._manifest, self._name, self._entry = run, manifest, name, entry
        jobs = [
            Job(name=name, subject=job.subject, language=job.language) for name, job in manifest.jobs.items()
        ]
        self._job = next(job for job in jobs if job.name == entry.job)
        self._label = labels(jobs)[self._job.name]
        self._format = FORMATS[manifest.row_format]
        self._decoder = msgspec.json.Decoder(self._format.row_type(several_images=self._job.is_multi))
        self._hashes = array("Q")

    def mismatches(self, task: Task) -> Iterator[str]:
        """One line for each thing wrong with the file or with one of its rows."""
        expected = expected_rows(self._run, self._job, self._manifest.jobs[self._job.name].prompt)
        rows = 0
        for line in self._lines():
            rows += 1
            if rows % _ROWS_A_TICK == 0:
                task.advance(_ROWS_A_TICK)
            yield from self._row(rows, line, expected)
        task.advance(rows % _ROWS_A_TICK)
        for identifier in repeated_ids(self._hashes, self._ids_again):
            yield f"{self._name}: id {identifier} came before"
        missing = sum(1 for _ in expected)
        if missing:
            yield f"{self._name}: {missing:,} kept captions are not in it"
        if rows != self._entry.rows:
            yield f"{self._name} has {rows:,} rows, the manifest says {self._entry.rows}"
        end = rows_file_name("", self._label, rows, self._manifest.file_type)
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
        self._hashes.append(hash64(facts.id))
        for mismatch in row_mismatches(facts, wanted, self._format.speakers):
            yield f"{self._name}, row {number} ({facts.id}): {mismatch}"

    def _lines(self) -> Iterator[bytes]:
        return read_lines(self._run.export_folder / self._name, self._manifest.file_type)

    def _ids_again(self) -> Iterator[str]:
        for line in self._lines():
            with contextlib.suppress(msgspec.MsgspecError, ValueError):
                yield self._format.facts(self._decoder.decode(line)).id


def repeated_ids(hashes: array[int], ids_again: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Each id after its first time, in eight bytes an id. ``hashes`` are those of the ids that it gives
    again.

    ``ids_again`` is called only where two hashes are equal, to tell a repeated id from two ids with one hash
    (among 11 million: 3 times in a million exports).
    """
    import numpy as np

    ordered = np.sort(np.array(hashes, np.uint64))
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    seen: set[str] = set()
    for identifier in ids_again():
        if hash64(identifier) in suspects:
            if identifier in seen:
                yield identifier
            seen.add(identifier)


def row_mismatches(row: RowFacts, expected: ExpectedRow | None, speakers: tuple[str, str]) -> Iterator[str]:
    """Speakers, words, image keys and sizes. ``expected`` is None where no row should be."""
    if row.speakers != speakers:
        yield f"speakers are {' and '.join(row.speakers)}, expected {' and '.join(speakers)}"
    images = row.question.count(None)
    tags = sum(IMAGE_TAG in (words or "") for words in (*row.question, row.answer))
    if images != len(row.images) or tags:
        yield (
            f"{images} images in the question and {tags} stray {IMAGE_TAG} tags,"
            f" expected {len(row.images)} and 0"
        )
    if expected is None:
        yield "not a kept caption: the run has no more of them"
    elif (row.id, row.answer) != (expected.id, expected.answer):
        yield f"not the caption that was kept in this place, {expected.id}"
    else:
        if row.question != expected.question:
            yield "the question is not the manifest's prompt"
        yield from _image_mismatches(row, expected)


def _image_mismatches(row: RowFacts, expected: ExpectedRow) -> Iterator[str]:
    keys = list(expected.images)
    if row.images != keys:
        yield f"its images are {', '.join(row.images)}, expected {', '.join(keys)}"
        return
    for index, (key, size) in enumerate(expected.images.items()):
        if size is None:
            yield f"{key} is no readable image of the run"
        elif row.sizes_px is not None and row.sizes_px[index] != size:
            stated = row.sizes_px[index]
            yield f"{key} is {stated[0]} x {stated[1]} here, but {size[0]} x {size[1]} in the run"
