"""Captions from elsewhere, judged by the same rules: a file of JSON Lines or one JSON array, plain or gzip.

Comes in: rows ``{"id", "job", "text", "images" (how many, default 1), "finish_reason" (default "stop")}``;
other keys are passed over. Goes out: ``{"id", "keep", "reason", "scores"}``, one row a caption, in the
order of the file; a duplicate has ``"repeats"`` besides, the id of the earlier caption. A row that is no
caption isn't kept, and its reason says why. Duplicates are found within each job; grounding and agreement
need a run's images and both its languages, so their scores are never there. How the captions name images
isn't known, so they are read leniently (see rules.image_references). Not its job: stopping where a rule
rejects much, since nothing is lost.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Annotated, cast

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.executors.local import LocalExecutor
from triptych.filtering.caption import MOST_IMAGES
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass, in_blocks
from triptych.filtering.rule_counts import count_lines, count_rules
from triptych.filtering.scoring import CaptionInput, FilterJob
from triptych.progress import Progress
from triptych.records import Verdict
from triptych.runs.jsonl import UNDECODABLE, write_jsonl


class FileCaption(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the file."""

    id: str
    job: str
    text: str
    images: Annotated[int, msgspec.Meta(le=MOST_IMAGES)] = 1
    finish_reason: str | None = "stop"


class FileVerdict(msgspec.Struct, frozen=True):
    """One row of the answer: the first four keys, always."""

    id: str
    keep: bool
    reason: str | None
    scores: dict[str, float]
    repeats: str | msgspec.UnsetType = msgspec.UNSET


class CaptionsFile:
    """The captions of one file, of some jobs."""

    def __init__(self, path: Path, jobs: Sequence[FilterJob]) -> None:
        self._path, self._jobs = path, {each.job.name for each in jobs}
        self._expected = (
            'a row is {"id": ..., "job": ..., "text": ...}, with "images" and "finish_reason" where not 1 and'
            f' "stop"; a job is one of {", ".join(each.job.name for each in jobs)}: mend the line, or define'
            " the job in a config"
        )
        self._filter_jobs = jobs
        self._no_captions: dict[int, FileVerdict] = {}
        """By their place, the rows that are none."""
        self._again: list[str] = []
        """Ids that an earlier row has."""

    def filter(self, out: Path | None, config: FilteringConfig, progress: Progress) -> list[str]:
        """Judge the captions; write verdicts to ``out`` unless it is None. Returns counts as lines.

        Raises SetupError where no row is a caption or one is of an unknown job (naming its line), UsageError
        where ``out`` is the file that is read.
        """
        if out is not None and out.resolve() == self._path.resolve():
            raise UsageError(f"--out {out} is the file that is read; name another one")
        scratch = (out or self._path).absolute().parent
        with FilterPass(config, self._filter_jobs, scratch, LocalExecutor) as all_captions:
            with progress.task("filter", None, "captions") as task:
                for count in all_captions.score(in_blocks(self._captions())):
                    task.advance(count)
            for note in self._notes():
                progress.say(note)
            if out is not None:
                write_jsonl(out, self._with_no_captions(map(_row, all_captions.verdicts())))
            return list(
                count_lines(all_captions.scorer, count_rules(all_captions.scorer, all_captions.scored()))
            )

    def find(self, identifier: str) -> CaptionInput:
        """The first caption with this id. Raises SetupError where there is none."""
        for caption in self._captions():
            if caption.id == identifier:
                return caption
        raise SetupError(f"no caption {identifier} in {self._path}; expected one of the ids of its rows")

    def _captions(self) -> Iterator[CaptionInput]:
        self._no_captions.clear()
        self._again.clear()
        ids: set[str] = set()
        number = 0
        for number, line in enumerate(_lines(self._path), 1):
            try:
                row = msgspec.json.decode(line, type=FileCaption)
            except UNDECODABLE as error:
                reason = f"no caption: {error}"
                self._no_captions[number - 1] = FileVerdict(_id_of(line, number), False, reason, {})
                continue
            if row.job not in self._jobs:
                raise SetupError(f"{self._path}, caption {number}: unknown job {row.job!r}; {self._expected}")
            if row.id in ids:
                self._again.append(row.id)
            ids.add(row.id)
            images, end = max(row.images, 1), row.finish_reason or "stop"
            yield CaptionInput(row.id, row.job, row.text, images, end)
        if number and len(self._no_captions) == number:
            first = self._no_captions[0]
            raise SetupError(
                f"{self._path}: {first.id} is {first.reason}, nor is any other; {self._expected}"
            )

    def _notes(self) -> Iterator[str]:
        if self._again:
            yield (
                f"warning: {len(self._again):,} with the id of an earlier row, the first {self._again[0]};"
                " verdicts are in the order of the rows"
            )
        if self._no_captions:
            first = next(iter(self._no_captions.values()))
            yield (
                f"warning: {len(self._no_captions):,} of the rows of {self._path} no captions, so not kept,"
                f" the first {first.id}: {first.reason}"
            )

    def _with_no_captions(self, verdicts: Iterator[FileVerdict]) -> Iterator[FileVerdict]:
        """The verdicts of all rows, in the order of the file."""
        place = 0
        for at, no_caption in self._no_captions.items():
            yield from islice(verdicts, at - place)
            yield no_caption
            place = at + 1
        yield from verdicts


def _lines(path: Path) -> Iterator[bytes | msgspec.Raw]:
    """The rows of a file, undecoded: lines that aren't blank, or the items of an array."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with cast("IO[bytes]", gzip.open(path)) if is_gzip else path.open("rb") as file:
            first = file.readline().removeprefix(b"\xef\xbb\xbf")
            if first.lstrip().startswith(b"["):
                yield from msgspec.json.decode(first + file.read(), type=list[msgspec.Raw])
            else:
                yield from (line for line in chain([first], file) if not line.isspace() and line)
    except (EOFError, gzip.BadGzipFile, zlib.error, *UNDECODABLE) as error:
        raise SetupError(f"{path} is damaged: {error}; make it again", path=path) from None


def _id_of(line: bytes | msgspec.Raw, number: int) -> str:
    """The id of a row that is no caption, where it says one."""
    try:
        found = msgspec.json.decode(bytes(line).decode("utf-8", "replace"))
        return found["id"] if isinstance(found["id"], str) else f"row {number}"
    except (*UNDECODABLE, LookupError, TypeError):
        return f"row {number}"


def _row(verdict: Verdict) -> FileVerdict:
    repeats = verdict.repeats or msgspec.UNSET
    return FileVerdict(verdict.id, verdict.keep, verdict.reason, verdict.scores, repeats)
