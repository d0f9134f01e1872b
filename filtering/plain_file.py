"""Captions from elsewhere: a plain JSON Lines file judged by the same rules.

Comes in: rows ``{"id", "job", "text", "images" (how many, default 1), "finish_reason" (default "stop")}``;
other keys are passed over. Goes out: ``{"id", "keep", "reason", "scores"}``, one row a caption, in the
order of the file; a duplicate has ``"repeats"`` besides, the id of the earlier caption. Duplicates are
found within each job; grounding and agreement need a run's images and both its languages, so their scores
are never there. Not its job: the guard, since nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.court import BLOCK_CAPTIONS, Court
from triptych.filtering.judge import Row
from triptych.filtering.tally import JobTally, tally
from triptych.progress import Progress
from triptych.records import JOB_NAMES, JobName, Verdict
from triptych.runs.jsonl import read_jsonl, write_jsonl


class PlainCaption(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the file."""

    id: str
    job: Literal["single_en", "single_zh", "multi_en", "multi_zh"]
    text: str
    images: int = 1
    finish_reason: str | None = "stop"


_MEND_IT = (
    'a row is {"id": ..., "job": ..., "text": ...}, with "images" and "finish_reason" where not 1 and'
    f' "stop"; a job is one of {", ".join(JOB_NAMES)}: mend the line'
)


class PlainVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the answer: the first four keys, always."""

    id: str
    keep: bool
    reason: str | None
    scores: dict[str, float]
    repeats: str | msgspec.UnsetType = msgspec.UNSET


def filter_file(
    source: Path, out: Path | None, config: FilteringConfig, progress: Progress
) -> dict[JobName, JobTally]:
    """Judge the captions of ``source``; write verdicts to ``out`` unless it is None.

    Raises SetupError for a row that isn't a caption (naming its line), UsageError where ``out`` is
    ``source``.
    """
    if out is not None and out.resolve() == source.resolve():
        raise UsageError(f"--out {out} is the file that is read; name another one")
    scratch = (out or source).absolute().parent
    with Court(config, scratch) as court:
        with progress.task("filter", None, "captions") as task:
            for count in court.hear(_blocks(source)):
                task.advance(count)
        if out is not None:
            write_jsonl(out, map(_plain, court.verdicts()))
        return tally(court.judge, court.judged())


def find_in_file(source: Path, identifier: str) -> Row:
    """The first caption with this id. Raises SetupError where there is none."""
    for caption in read_jsonl(source, PlainCaption, _MEND_IT):
        if caption.id == identifier:
            return _row(caption)
    raise SetupError(f"no caption {identifier} in {source}; expected one of the ids of its rows")


def _blocks(source: Path) -> Iterator[list[Row]]:
    captions = read_jsonl(source, PlainCaption, _MEND_IT)
    while block := [_row(caption) for _, caption in zip(range(BLOCK_CAPTIONS), captions, strict=False)]:
        yield block


def _row(caption: PlainCaption) -> Row:
    return Row(
        id=caption.id,
        job=caption.job,
        text=caption.text,
        image_count=max(caption.images, 1),
        finish_reason=caption.finish_reason or "stop",
    )


def _plain(verdict: Verdict) -> PlainVerdict:
    return PlainVerdict(
        id=verdict.id,
        keep=verdict.keep,
        reason=verdict.reason,
        scores=verdict.scores,
        repeats=verdict.repeats or msgspec.UNSET,
    )
