"""Captions and verdicts: one pass a job over the plan, for the tallies and the samples.

Comes in: a run, its jobs, the sets that are shown. Goes out: their captions, a sample of single images
with theirs, samples of what was dropped and what failed. One shard is in memory at a time. Not its
job: counting for the funnel (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triptych.jobs import Job
from triptych.progress import Progress
from triptych.records import (
    Caption,
    ImageRecord,
    JobName,
    Verdict,
    caption_id,
    target_of,
)
from triptych.report.content import CaptionShown
from triptych.report.sampling import Draw, Drawn, StratifiedDraw
from triptych.report.tallies import RuleTallies
from triptych.runs.captioned import captioned_targets
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import Ledger
from triptych.runs.ledger.images import reason_class
from triptych.runs.plan import Target

EVEN_SINGLES = 60
EVEN_REJECTED_PER_RULE = 10
REJECTED_PER_JOB = 2
"""Of a rule, also where the even draw over its jobs has fewer."""
FAILURES_PER_CLASS = 5


class Rejected(NamedTuple):
    """A dropped caption."""

    target: Target
    caption: Caption
    verdict: Verdict


class CaptionReader:
    """What the passes have seen. Sets come first, then the job that single images are drawn from."""

    def __init__(self, run: RunFolder, set_ids: set[str], progress: Progress) -> None:
        self._run, self._progress = run, progress
        self._wanted = set_ids
        self._shown: dict[str, CaptionShown] = {}
        self._singles: list[ImageRecord] | None = None
        self._rejected: dict[str, StratifiedDraw[Rejected]] = {}
        self._failures: dict[tuple[JobName, str], Draw[tuple[str, str]]] = {}
        self.tallies = RuleTallies(run.rule_scores())
        self.made: dict[tuple[JobName, str], int] = {}
        """By job and shard: how many captions, failed ones among them."""

    def read(self, jobs: Sequence[Job], ledger: Ledger) -> None:
        """Pass over the captions of all ``jobs``.

        Single images are drawn from the smallest job that has enough, so that they have captions in
        all: its targets are themselves chosen by a hash, so they are even for a larger job too.
        """
        made = {job.name: ledger.jobs[job.name].captioned or 0 for job in jobs}

        def turn(job: Job) -> tuple[bool, bool, int]:
            enough = made[job.name] >= EVEN_SINGLES
            return not job.is_multi, not enough, made[job.name] if enough else -made[job.name]

        for job in sorted(jobs, key=turn):
            self._read_job(job, ledger.jobs[job.name].planned)

    def shown(self, job: Job, target: str) -> CaptionShown:
        """What became of the caption of ``target`` (an image key or set id), which the passes met or not."""
        identifier = caption_id(job.name, target)
        return self._shown.get(identifier) or CaptionShown(
            id=identifier, job=job.name, language=job.language, state="not made"
        )

    @property
    def singles(self) -> list[Drawn[ImageRecord]]:
        """The single images that are shown, all drawn evenly."""
        return [Drawn(record, "even") for record in self._singles or []]

    def rejected(self, rule: str) -> list[Drawn[Rejected]]:
        """A sample of what ``rule`` dropped as the first of the rules."""
        return self._rejected[rule].taken() if rule in self._rejected else []

    def failures(self) -> dict[tuple[JobName, str], list[tuple[str, str]]]:
        """By job and class: ``(caption id, reason)`` of a few."""
        return {key: draw.taken() for key, draw in sorted(self._failures.items())}

    def _read_job(self, job: Job, planned: int | None) -> None:
        draws_singles = not job.is_multi and self._singles is None
        singles: Draw[tuple[ImageRecord, CaptionShown]] = Draw(EVEN_SINGLES if draws_singles else 0)
        with self._progress.task(f"report {job.name}", planned, "captions") as task:
            for shard, pairs in captioned_targets(self._run, job):
                verdicts = {verdict.id: verdict for verdict in self._run.verdicts(job.name, shard)}
                for target, caption in pairs:
                    verdict = verdicts.get(caption.id)
                    self._see(job, target, caption, verdict)
                    if draws_singles:
                        record = target.images[0]
                        singles.offer(record.key, (record, caption_shown(job, caption, verdict)))
                if pairs:
                    self.made[job.name, shard] = len(pairs)
                task.advance(len(pairs))
        if draws_singles:
            self._singles = [record for record, _ in singles.taken()]
            self._shown |= {shown.id: shown for _, shown in singles.taken()}
            self._wanted = self._wanted | {record.key for record in self._singles}

    def _see(self, job: Job, target: Target, caption: Caption, verdict: Verdict | None) -> None:
        if target_of(caption.id) in self._wanted:
            self._shown[caption.id] = caption_shown(job, caption, verdict)
        if caption.failure is not None:
            kind = (job.name, reason_class(caption.failure))
            self._failures.setdefault(kind, Draw(FAILURES_PER_CLASS)).offer(
                caption.id, (caption.id, caption.failure)
            )
        elif verdict is not None and verdict.reason is not None:
            self.tallies.add(job.name, verdict)
            draw = self._rejected.setdefault(
                verdict.reason, StratifiedDraw(EVEN_REJECTED_PER_RULE, REJECTED_PER_JOB)
            )
            draw.offer(caption.id, job.name, Rejected(target, caption, verdict))


def caption_shown(job: Job, caption: Caption, verdict: Verdict | None) -> CaptionShown:
    """A caption with what became of it."""
    state, why = "not judged", ""
    if caption.failure is not None:
        state, why = "failed", caption.failure
    elif verdict is not None:
        state = "kept" if verdict.keep else "dropped"
        why = ", ".join(verdict.scores) or verdict.reason or ""
    return CaptionShown(
        id=caption.id, job=job.name, language=job.language, state=state, text=caption.text, why=why
    )
