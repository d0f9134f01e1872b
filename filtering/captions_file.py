"""Captions from elsewhere, judged by the same rules: a plain JSON Lines file.

Comes in: rows ``{"id", "job", "text", "images" (how many, default 1), "finish_reason" (default "stop")}``;
other keys are passed over. Goes out: ``{"id", "keep", "reason", "scores"}``, one row a caption, in the
order of the file; a duplicate has ``"repeats"`` besides, the id of the earlier caption. Duplicates are
found within each job; grounding and agreement need a run's images and both its languages, so their scores
are never there. How the captions name images isn't known, so they are read leniently (see
rules.image_references). Not its job: stopping where a rule rejects much, since nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.executors.local import LocalExecutor
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass, in_blocks
from triptych.filtering.rule_counts import JobCounts, count_lines, count_rules
from triptych.filtering.scoring import CaptionInput, FilterJob
from triptych.progress import Progress
from triptych.records import Verdict
from triptych.runs.jsonl import read_jsonl, write_jsonl


class FileCaption(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the file."""

    id: str
    job: str
    text: str
    images: int = 1
    finish_reason: str | None = "stop"


class FileVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the answer: the first four keys, always."""

    id: str
    keep: bool
    reason: str | None
    scores: dict[str, float]
    repeats: str | msgspec.UnsetType = msgspec.UNSET


class CaptionsFile:
    """The captions of one file, of some jobs."""

    def __init__(self, path: Path, jobs: Sequence[FilterJob]) -> None:
        self._path, self._jobs = path, jobs
        self._mend_it = (
            'a row is {"id": ..., "job": ..., "text": ...}, with "images" and "finish_reason" where not 1 and'
            f' "stop"; a job is one of {", ".join(each.job.name for each in jobs)}: mend the line, or define'
            " the job in a config"
        )

    def filter(self, out: Path | None, config: FilteringConfig, progress: Progress) -> list[str]:
        """Judge the captions; write verdicts to ``out`` unless it is None. Returns counts as lines.

        Raises SetupError for a row that isn't a caption (naming its line), UsageError where ``out`` is the
        file that is read.
        """
        if out is not None and out.resolve() == self._path.resolve():
            raise UsageError(f"--out {out} is the file that is read; name another one")
        scratch = (out or self._path).absolute().parent
        with FilterPass(config, self._jobs, scratch, LocalExecutor) as all_captions:
            with progress.task("filter", None, "captions") as task:
                for count in all_captions.score(in_blocks(self._captions())):
                    task.advance(count)
            if out is not None:
                write_jsonl(out, map(_row, all_captions.verdicts()))
            counts: Mapping[str, JobCounts] = count_rules(all_captions.scorer, all_captions.scored())
            return list(count_lines(all_captions.scorer, counts))

    def find(self, identifier: str) -> CaptionInput:
        """The first caption with this id. Raises SetupError where there is none."""
        for caption in self._captions():
            if caption.id == identifier:
                return caption
        raise SetupError(f"no caption {identifier} in {self._path}; expected one of the ids of its rows")

    def _captions(self) -> Iterator[CaptionInput]:
        names = {each.job.name for each in self._jobs}
        for number, row in enumerate(read_jsonl(self._path, FileCaption, self._mend_it), 1):
            if row.job not in names:
                raise SetupError(f"{self._path}, caption {number}: unknown job {row.job!r}; {self._mend_it}")
            yield CaptionInput(
                id=row.id,
                job=row.job,
                text=row.text,
                image_count=max(row.images, 1),
                finish_reason=row.finish_reason or "stop",
            )


def _row(verdict: Verdict) -> FileVerdict:
    return FileVerdict(
        id=verdict.id,
        keep=verdict.keep,
        reason=verdict.reason,
        scores=verdict.scores,
        repeats=verdict.repeats or msgspec.UNSET,
    )
