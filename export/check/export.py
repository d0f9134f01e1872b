"""Reloads an export, and compares it with its manifest and with the run that it was made from.

Comes in: a run with an export. Goes out: what was checked, with counts, and messages on mismatches of files
and rows. Everything is recounted that can be. Not its job: the ledger
(see runs.ledger), the images themselves (see verify).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

from triptych.errors import SetupError
from triptych.export.check.expected import ExpectedRow, expected_rows
from triptych.export.containers import CONTAINERS
from triptych.export.conversation_text import without_reserved_words
from triptych.export.extra_columns import ExtraValues, extra_columns, row_with_values, type_with_columns
from triptych.export.formats import FORMATS
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

MAX_MISMATCHES_A_FILE = 20
"""Further ones are counted, not listed."""

MAX_SHOWN, CONTEXT = 200, 60
"""Characters of a value in a mismatch, and how many of them before the first difference."""

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
        checked = _JobCheck(run, manifest, job)
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

    def __init__(self, run: RunFolder, manifest: Manifest, job: str) -> None:
        self._run, self._manifest = run, manifest
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
        self._columns, self._extra = columns, ExtraValues(run, columns)
        self._decoder = msgspec.json.Decoder(type_with_columns(row_type, columns))
        self._prompt = without_reserved_words(manifest.jobs[job].prompt)
        self._expected = expected_rows(run, chosen)

    def skip(self, entry: FileEntry) -> None:
        """Leave out a part that can't be read."""
        for _ in itertools.islice(self._expected, entry.rows or 0):
            pass

    def mismatches(self, name: str, entry: FileEntry, part: int, of: int, task: Task) -> Iterator[str]:
        """The mismatches of a file and its rows; for the last part also missing rows."""
        rows, container = 0, CONTAINERS[self._manifest.file_type]
        for line, images in container.read(self._run.export_folder / name):
            rows += 1
            if rows % _ROWS_A_TICK == 0:
                task.advance(_ROWS_A_TICK)
            wanted = next(self._expected, None)
            yield from self._row(f"{name}, row {rows}", line, wanted)
            if wanted is not None and container.holds_images:
                yield from _content_mismatches(f"{name}, row {rows}", images, wanted)
        task.advance(rows % _ROWS_A_TICK)
        if part == of - 1 and (missing := sum(1 for _ in self._expected)):
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
        except msgspec.MsgspecError as error:
            yield f"{where}: {error}"
            return
        if wanted is None:
            yield f"{where}: not a kept caption: the run has no more of them"
            return
        yield from (
            f"{where}: {image.key} is no readable image of the run"
            for image in wanted.images
            if image.unreadable is not None
        )
        expected = row_with_values(
            self._format.row(wanted.id, self._prompt, wanted.images, wanted.answer),
            self._columns,
            self._extra.of_caption(wanted.verdict, wanted.caption),
        )
        for name in row.__struct_fields__:
            found, right = getattr(row, name), getattr(expected, name)
            if found != right and not name.startswith("rejected"):  # the worse caption isn't derived
                yield f"{where} ({wanted.id}): {name} {_differing(found, right)}"


def _content_mismatches(where: str, images: Sequence[bytes], wanted: ExpectedRow) -> Iterator[str]:
    """Images in the file that differ from those of the run."""
    if len(images) != len(wanted.images):
        yield f"{where}: {len(images)} images are in it, expected {len(wanted.images)}"
        return
    for image, known in zip(images, wanted.images, strict=True):
        if known.content_hash and content_hash(image) != known.content_hash:
            yield f"{where}: the bytes of {known.key} are not those of the run"


def _differing(found: object, expected: object) -> str:
    """Both values, or where they are long, the parts in which they differ."""
    texts = [msgspec.json.encode(value).decode() for value in (found, expected)]
    equal = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    start = max(0, equal - CONTEXT)
    shown = ["..." * bool(start) + text[start:] for text in texts]
    one, other = (text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..." for text in shown)
    return f"is {one}, expected {other}"
