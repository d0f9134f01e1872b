"""Reloads an export, and compares it with its manifest and with the run that it was made from.

Comes in: a run with an export. Goes out: what was checked, with counts, and messages on mismatches of files
and rows. Everything is recounted that can be. Memory: one shard, and 8 bytes per row. Not its job: the ledger
(see runs.ledger), the images themselves (see verify).
"""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence

import msgspec

from triptych.errors import SetupError
from triptych.export.check.expected import ExpectedRow, expected_rows
from triptych.export.containers import CONTAINERS
from triptych.export.containers.rows_file import read_lines
from triptych.export.conversation_text import IMAGE_TAG
from triptych.export.extra_columns import ExtraValues, extra_columns, type_with_columns
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
from triptych.records import content_hash
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of
from triptych.runs.sampling import hash64

MAX_MISMATCHES_A_FILE = 20
"""Further ones are counted, not listed."""

_ROWS_A_TICK = 1024
"""How often progress is reported."""


class Check(msgspec.Struct, frozen=True):
    """What was checked, and how many of it."""

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
    of_jobs: dict[str, list[tuple[str, FileEntry]]] = {}
    for name, entry in manifest.files.items():
        if entry.job is not None:
            of_jobs.setdefault(entry.job, []).append((name, entry))
    for job, files in of_jobs.items():
        if job not in manifest.jobs:
            names = ", ".join(name for name, _ in files)
            mismatches.append(f"{names} has rows of {job}, which is no job of the manifest")
            continue
        checked = _JobCheck(run, manifest, job, [name for name, _ in files if name in intact])
        with progress.task(f"check {job}", sum(entry.rows or 0 for _, entry in files), "rows") as task:
            for part, (name, entry) in enumerate(files):
                if name not in intact:
                    checked.skip(entry)
                    continue
                found = checked.mismatches(name, entry, part, len(files), task)
                some = list(itertools.islice(found, MAX_MISMATCHES_A_FILE))
                more = sum(1 for _ in found)
                mismatches += some
                if more:
                    mismatches.append(f"{name}: {more:,} more mismatches")
                if not some:
                    what = f"export: rows of {name}, each the caption that was kept"
                    checks.append(Check(what, entry.rows or 0))
    return checks, mismatches


def _check_files(run: RunFolder, manifest: Manifest, progress: Progress) -> tuple[set[str], list[str]]:
    """The names of the files that match the manifest, and mismatches."""
    intact, mismatches = set(), []
    with progress.task("check files", len(manifest.files), "files") as task:
        for name, entry in manifest.files.items():
            path = run.export_folder / name
            if not path.is_file():
                mismatches.append(f"{path} is in the manifest, but missing")
            elif path.stat().st_size != entry.size_bytes:
                mismatches.append(
                    f"{path} has {path.stat().st_size:,} bytes, the manifest says {entry.size_bytes:,}"
                )
            elif sha256_of(path) != entry.sha256:
                mismatches.append(f"{path} doesn't have the checksum in the manifest: it was changed")
            else:
                intact.add(name)
            task.advance(1)
    known = {MANIFEST_NAME, *manifest.files}
    there = sorted(path for path in run.export_folder.rglob("*") if path.is_file())
    mismatches += [f"{path} is not in the manifest" for path in there if path.name not in known]
    if CARD_NAME not in manifest.files:
        mismatches.append(f"{run.export_folder / MANIFEST_NAME} names no {CARD_NAME}")
    return intact, mismatches


class _JobCheck:
    """Compares the files of one job with the kept captions of the run, part after part."""

    def __init__(self, run: RunFolder, manifest: Manifest, job: str, files: Sequence[str]) -> None:
        """``files`` are those that can be read."""
        self._run, self._manifest, self._files = run, manifest, files
        jobs = [
            Job(name=name, subject=each.subject, language=each.language)
            for name, each in manifest.jobs.items()
        ]
        chosen = next(each for each in jobs if each.name == job)
        self._total = sum(entry.rows or 0 for entry in manifest.files.values() if entry.job == job)
        self._label = labels(jobs)[job]
        self._format = FORMATS[manifest.row_format]
        row_type = self._format.row_type(several_images=chosen.is_multi)
        settings = {name: stage.settings for name, stage in manifest.stages.items()}
        columns = extra_columns(chosen, self._format, settings)
        self._extra = ExtraValues(run, columns)
        self._decoder = msgspec.json.Decoder(type_with_columns(row_type, columns))
        self._expected = expected_rows(run, chosen, manifest.jobs[job].prompt)
        self._hashes = array("Q")

    def skip(self, entry: FileEntry) -> None:
        """Leave out a part that can't be read."""
        for _ in itertools.islice(self._expected, entry.rows or 0):
            pass

    def mismatches(self, name: str, entry: FileEntry, part: int, of: int, task: Task) -> Iterator[str]:
        """The mismatches of a file and its rows; for the last part also repeated and missing rows."""
        rows = 0
        for line, images in zip(self._lines(name), self._images(name), strict=False):
            rows += 1
            if rows % _ROWS_A_TICK == 0:
                task.advance(_ROWS_A_TICK)
            wanted = next(self._expected, None)
            yield from self._row(f"{name}, row {rows}", line, wanted)
            if wanted is not None and images is not None:
                yield from _content_mismatches(f"{name}, row {rows}", images, wanted)
        task.advance(rows % _ROWS_A_TICK)
        if part == of - 1:
            for identifier in repeated_ids(self._hashes, self._read_ids):
                yield f"{name}: id {identifier} came before"
            if missing := sum(1 for _ in self._expected):
                yield f"{name}: {missing:,} kept captions are not in it"
        if rows != entry.rows:
            yield f"{name} has {rows:,} rows, the manifest says {entry.rows}"
        total = rows if of == 1 else self._total
        end = rows_file_name("", self._label, total, self._manifest.file_type, part, of)
        if not name.endswith(end):
            yield f"{name} has {rows:,} rows, so its name should end in {end}"

    def _row(self, where: str, line: bytes, wanted: ExpectedRow | None) -> Iterator[str]:
        try:
            row = self._decoder.decode(line)
            facts = self._format.facts(row)
        except (msgspec.MsgspecError, ValueError) as error:
            yield f"{where}: {error}"
            return
        self._hashes.append(hash64(facts.id))
        for mismatch in row_mismatches(facts, wanted, self._format.speakers):
            yield f"{where} ({facts.id}): {mismatch}"
        found = self._extra.in_row(row)
        if wanted is not None and found != (
            expected := self._extra.of_caption(wanted.verdict, wanted.caption)
        ):
            yield f"{where} ({facts.id}): {' and '.join(found)} are not {tuple(expected.values())}"

    def _lines(self, name: str) -> Iterator[bytes]:
        return read_lines(self._run.export_folder / name, self._manifest.file_type)

    def _images(self, name: str) -> Iterator[Sequence[bytes] | None]:
        """The images of each row; None where the file includes none."""
        read = CONTAINERS[self._manifest.file_type].read_images
        return itertools.repeat(None) if read is None else read(self._run.export_folder / name)

    def _read_ids(self) -> Iterator[str]:
        for name in self._files:
            for line in self._lines(name):
                with contextlib.suppress(msgspec.MsgspecError, ValueError):
                    yield self._format.facts(self._decoder.decode(line)).id


def _content_mismatches(where: str, images: Sequence[bytes], wanted: ExpectedRow) -> Iterator[str]:
    """Images in the file that differ from those of the run."""
    if len(images) != len(wanted.images):
        yield f"{where}: {len(images)} images are in it, expected {len(wanted.images)}"
        return
    for image, (key, known) in zip(images, wanted.images.items(), strict=True):
        if known is not None and known.content_hash and content_hash(image) != known.content_hash:
            yield f"{where}: the bytes of {key} are not those of the run"


def repeated_ids(hashes: array[int], read_ids: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Ids that occur again, found with eight bytes of memory an id. ``hashes`` are those of all ids.

    ``read_ids`` gives the ids themselves. It is called only where two hashes are equal, to tell a repeated id
    from a collision (with 11 million ids: 3 in a million exports).
    """
    import numpy as np

    ordered = np.sort(np.array(hashes, np.uint64))
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    seen: set[str] = set()
    for identifier in read_ids():
        if hash64(identifier) in suspects:
            if identifier in seen:
                yield identifier
            seen.add(identifier)


def row_mismatches(
    row: RowFacts, expected: ExpectedRow | None, speakers: tuple[str, str] | None
) -> Iterator[str]:
    """Mismatches of speakers, text, image keys and sizes. ``expected`` is None if there should be no row."""
    if row.speakers != speakers:
        yield f"speakers are {' and '.join(row.speakers or ())}, expected {' and '.join(speakers or ())}"
    question = row.question or ()
    images = len(row.images) if row.question is None else question.count(None)
    tags = sum(IMAGE_TAG in (words or "") for words in (*question, row.answer))
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
        if row.question not in (None, expected.question):
            yield "the question is not the manifest's prompt"
        yield from _image_mismatches(row, expected)


def _image_mismatches(row: RowFacts, expected: ExpectedRow) -> Iterator[str]:
    keys = list(expected.images)
    if row.images != keys:
        yield f"its images are {', '.join(row.images)}, expected {', '.join(keys)}"
        return
    for index, (key, known) in enumerate(expected.images.items()):
        if known is None:
            yield f"{key} is no readable image of the run"
        elif row.sizes_px is not None and row.sizes_px[index] != known[:2]:
            stated = row.sizes_px[index]
            yield f"{key} is {stated[0]} x {stated[1]} here, but {known[0]} x {known[1]} in the run"
