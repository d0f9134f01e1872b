"""Judge captions from a file instead of a run: JSON Lines or one JSON array, plain or gzipped.

Comes in: rows ``{"id", "job", "text", "images" (how many, default 1), "finish_reason" (default "stop")}``;
other keys are ignored. Goes out: one row ``{"id", "keep", "reason", "scores"}`` for each row, in the same
order. A duplicate also has ``"repeats"``, the id of the earlier caption. A row that can't be read as a
caption is not kept, and its reason says why. Duplicates are searched for within each job. Grounding and
agreement need a run, so they are not measured. How the captions name images is unknown, so they are read
leniently (see rules.image_references). Not its job: stopping if a rule rejects too much, since nothing is
lost.
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
from triptych.filtering.caption import MAX_IMAGES
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass, in_blocks
from triptych.filtering.rule_counts import count_lines, count_rules
from triptych.filtering.scoring import CaptionInput, FilterJob
from triptych.progress import Progress
from triptych.records import Verdict
from triptych.runs.jsonl import UNDECODABLE, write_jsonl


class FileCaption(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the input."""

    id: str
    job: str
    text: str
    images: Annotated[int, msgspec.Meta(le=MAX_IMAGES)] = 1
    finish_reason: str | None = "stop"


class FileVerdict(msgspec.Struct, frozen=True):
    """One row of the output. ``repeats`` is left out unless the caption is a duplicate."""

    id: str
    keep: bool
    reason: str | None
    scores: dict[str, float]
    repeats: str | msgspec.UnsetType = msgspec.UNSET


class CaptionsFile:
    """The captions of one file."""

    def __init__(self, path: Path, jobs: Sequence[FilterJob]) -> None:
        self._path, self._jobs = path, jobs
        self._expected = (
            'a row is {"id": ..., "job": ..., "text": ...}, with "images" and "finish_reason" where not 1 and'
            f' "stop"; a job is one of {", ".join(each.job.name for each in jobs)}: fix the line, or define'
            " the job in a config"
        )
        self._invalid: dict[int, FileVerdict] = {}
        """The verdicts of rows that are no captions, by row index."""
        self._repeated_ids: list[str] = []

    def filter(self, out: Path | None, config: FilteringConfig, progress: Progress) -> list[str]:
        """Judge the captions, and write the verdicts to ``out`` unless it is None. Returns counts as lines.

        Raises SetupError if no row is a caption or one has an unknown job, and UsageError if ``out`` is the
        input file.
        """
        if out is not None and out.resolve() == self._path.resolve():
            raise UsageError(f"--out {out} is the input file; name another one")
        scratch = (out or self._path).absolute().parent
        with FilterPass(config, self._jobs, scratch, LocalExecutor) as all_captions:
            with progress.task("filter", None, "captions") as task:
                for count in all_captions.score(in_blocks(self._captions())):
                    task.advance(count)
            for warning in self._warnings():
                progress.say(warning)
            if out is not None:
                write_jsonl(out, self._with_invalid_rows(map(_row, all_captions.verdicts())))
            scorer = all_captions.scorer
            return list(count_lines(scorer, count_rules(scorer, all_captions.scored())))

    def find(self, identifier: str) -> CaptionInput:
        """The first caption with this id. Raises SetupError if there is none."""
        for caption in self._captions():
            if caption.id == identifier:
                return caption
        raise SetupError(f"no caption {identifier} in {self._path}; expected one of the ids of its rows")

    def _captions(self) -> Iterator[CaptionInput]:
        self._invalid.clear()
        self._repeated_ids.clear()
        jobs, ids = {each.job.name for each in self._jobs}, set[str]()
        number = 0
        for number, line in enumerate(_lines(self._path), 1):
            try:
                row = msgspec.json.decode(line, type=FileCaption)
            except UNDECODABLE as error:
                reason = f"no caption: {error}"
                self._invalid[number - 1] = FileVerdict(_id_of(line, number), False, reason, {})
                continue
            if row.job not in jobs:
                raise SetupError(f"{self._path}, caption {number}: unknown job {row.job!r}; {self._expected}")
            if row.id in ids:
                self._repeated_ids.append(row.id)
            ids.add(row.id)
            finish_reason = row.finish_reason or "stop"
            yield CaptionInput(row.id, row.job, row.text, max(row.images, 1), finish_reason)
        if number and len(self._invalid) == number:
            first = self._invalid[0]
            raise SetupError(
                f"{self._path} has no captions: {first.id} is {first.reason}, and so on; {self._expected}"
            )

    def _warnings(self) -> Iterator[str]:
        if ids := self._repeated_ids:
            yield (
                f"warning: {len(ids):,} rows have the id of an earlier row, the first is {ids[0]};"
                " verdicts are in the order of the rows"
            )
        if self._invalid:
            first = next(iter(self._invalid.values()))
            yield (
                f"warning: {len(self._invalid):,} rows of {self._path} are no captions and are not kept,"
                f" the first is {first.id}: {first.reason}"
            )

    def _with_invalid_rows(self, verdicts: Iterator[FileVerdict]) -> Iterator[FileVerdict]:
        """The verdicts of all rows, in the order of the file."""
        following = 0
        for at, invalid in self._invalid.items():
            yield from islice(verdicts, at - following)
            yield invalid
            following = at + 1
        yield from verdicts


def _lines(path: Path) -> Iterator[bytes | msgspec.Raw]:
    """The undecoded rows of a file: its lines that are not blank, or the items of its array."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with cast("IO[bytes]", gzip.open(path)) if is_gzip else path.open("rb") as file:
            first = file.readline().removeprefix(b"\xef\xbb\xbf")
            if first.lstrip().startswith(b"["):
                yield from msgspec.json.decode(first + file.read(), type=list[msgspec.Raw])
            else:
                yield from (line for line in chain([first], file) if line.strip())
    except (EOFError, gzip.BadGzipFile, zlib.error, *UNDECODABLE) as error:
        raise SetupError(f"{path} is damaged: {error}; make it again", path=path) from None


def _id_of(line: bytes | msgspec.Raw, number: int) -> str:
    """The id of a row that is no caption, if it can be read."""
    try:
        found = msgspec.json.decode(bytes(line).decode("utf-8", "replace"))
        return found["id"] if isinstance(found["id"], str) else f"row {number}"
    except (*UNDECODABLE, LookupError, TypeError):
        return f"row {number}"


def _row(verdict: Verdict) -> FileVerdict:
    repeats = verdict.repeats or msgspec.UNSET
    return FileVerdict(verdict.id, verdict.keep, verdict.reason, verdict.scores, repeats)
