"""The status of a run: its ledger, its stages, the pace of its captioning and the time that is left.

Comes in: a run, its ledger. Goes out: a JobPace for each job, and lines for a terminal. Not its job: counting
(see runs.ledger), measuring (see captioning.metrics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from triptych.jobs import Job
from triptych.runs.canaries import canary_lines
from triptych.runs.checks import outcome_lines
from triptych.runs.generations import superseded
from triptych.runs.ledger import Ledger, total_of
from triptych.runs.other_embeddings import other_folders
from triptych.runs.stage_record import JobChecks, captioners
from triptych.runs.staleness import stale_stages

if TYPE_CHECKING:
    from triptych.api import Run

FULL_SHARE = 0.9
"""An engine that is less busy than this would make captions faster with more requests."""

_LABEL_WIDTH = 30

_SHOWN_ELSEWHERE = (
    *(".limit", ".captions_of", ".planned", ".captioned", ".failed", ".kept", ".repaired", "_by"),
    *(".made", ".failed_requests", ".seconds", ".prompt_tokens", ".completion_tokens", ".retried"),
    *(".asked_again", ".slot_s", ".slots", ".latencies", ".may_pass", ".counted_over"),
)
"""Notes of the captions stage that are shown as part of the ledger or of the pace."""


class JobPace(msgspec.Struct, frozen=True, kw_only=True):
    """The pace of one job, over all the time that was spent on it."""

    captions: int
    seconds: float
    captions_per_s: float
    prompt_tokens: int
    completion_tokens: int
    completion_tokens_per_s: float
    latency_s: dict[str, float]
    """Percentiles p50, p95, p99 of the time per request, retries included; at most 10% too high."""
    engine_busy_share: float
    retried: int
    asked_again: int
    left: int | None
    """Planned captions that are still missing; None if they can't be counted."""
    left_hours: float | None
    without_sample: int | None
    """If only a sample is planned: how many captions the job has without --sample."""
    without_sample_hours: float | None
    """How long all of them take at this pace."""


def ledger_lines(ledger: Ledger) -> Iterator[str]:
    """The counts of images, then those of each job, with their breakdowns."""
    images = ledger.images
    yield _line("images found", images.found)
    yield _line("  unreadable", total_of(images.unreadable), images.unreadable)
    yield _line("  screened out", total_of(images.screened), images.screened)
    yield _line("  duplicates", total_of(images.duplicates), images.duplicates)
    yield _line("  in sets", images.in_sets, None if images.sets is None else {"sets": images.sets})
    yield _line("  single", images.single)
    if images.gone:
        yield _line("files gone", images.gone)
    for job, counts in ledger.jobs.items():
        yield _line(f"{job} planned", counts.planned)
        if counts.pending:
            yield _line("  still to caption", counts.pending)
        yield _line("  captioned", counts.captioned)
        yield _line("  failed", total_of(counts.failed), counts.failed)
        yield _line("  kept", counts.kept, {"repaired": counts.repaired} if counts.repaired else None)
        yield _line("  rejected", total_of(counts.rejected), counts.rejected)


def check_lines(checked: Mapping[str, JobChecks]) -> Iterator[str]:
    """One line per job, or two for jobs on sets."""
    for job, found in checked.items():
        yield from (f"{job}: {line}" for line in outcome_lines(found))


def stage_lines(run: Run) -> Iterator[str]:
    """Each stage: finished, begun or not begun, followed by its notes that aren't shown elsewhere."""
    stale = stale_stages(run.folder)
    for name in run.folder.every_stage:
        state = run.folder.run_file.stages.get(name)
        if state is None:
            yield f"{name:<{_LABEL_WIDTH}} not begun"
            continue
        by = ", ".join(captioners(state.settings)) if name == "captions" else ""
        why = f", stale: {stale[name]}" if name in stale else ""
        if name == "verdicts":
            from triptych.filtering.stage import changed_setting  # imports every rule

            if key := changed_setting(run.folder, run.config.filtering):
                why += f", with another value of {key} than the run has now"
        done = "finished" if state.finished else "begun"
        yield f"{name:<{_LABEL_WIDTH}} {done}{by and f', by {by}'}{why}"
        if name == "captions" and (old := list(superseded(run.folder))):
            yield f"  {'older generations':<{_LABEL_WIDTH - 2}} {len(old)}; `triptych captions` lists them"
        if name == "captions":
            for line in canary_lines(run.folder.path):
                yield f"  {'canary':<{_LABEL_WIDTH - 2}} {line}"
        if name == "embeddings" and (others := other_folders(run.folder)):
            yield f"  {'by other encoders, or older':<{_LABEL_WIDTH - 2}} {len(others)} in {others[0].parent}"
        for key, value in state.notes.items():
            if not key.endswith(_SHOWN_ELSEWHERE):
                yield f"  {key:<{_LABEL_WIDTH - 2}} {value}"


def job_paces(run: Run, ledger: Ledger) -> dict[str, JobPace]:
    """The pace of each job that has made captions."""
    from triptych.captioning.metrics import from_notes

    state = run.folder.run_file.stages.get("captions")
    found: dict[str, JobPace] = {}
    for job in run.jobs:
        figures = from_notes(job.name, state.notes if state is not None else {})
        if not figures.made or not figures.seconds:
            continue
        percentiles = {f"p{share * 100:.0f}": figures.latency_s(share) for share in (0.5, 0.95, 0.99)}
        left = ledger.jobs[job.name].pending
        everything = _count_without_sample(run, ledger, job)
        if everything is not None and everything <= (ledger.jobs[job.name].planned or 0):
            everything = None
        found[job.name] = JobPace(
            captions=figures.made,
            seconds=figures.seconds,
            captions_per_s=figures.rate,
            prompt_tokens=figures.prompt_tokens,
            completion_tokens=figures.completion_tokens,
            completion_tokens_per_s=figures.tokens_per_s,
            latency_s={name: round(value, 3) for name, value in percentiles.items() if value is not None},
            engine_busy_share=figures.busy_share,
            retried=figures.retried,
            asked_again=figures.asked_again,
            left=left,
            left_hours=None if left is None else left / figures.rate / 3600,
            without_sample=everything,
            without_sample_hours=None if everything is None else everything / figures.rate / 3600,
        )
    return found


def pace_lines(paces: dict[str, JobPace]) -> Iterator[str]:
    """Two to four lines per job."""
    for job, pace in paces.items():
        percentiles = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in pace.latency_s.items())
        yield (
            f"{job}: {pace.captions:,} captions in {_duration(pace.seconds / 3600)},"
            f" {pace.captions_per_s:,.2f} captions/s, {pace.completion_tokens_per_s:,.0f} tokens/s;"
            f" {percentiles}; engine {pace.engine_busy_share:.0%} busy"
        )
        yield (
            f"  {pace.prompt_tokens:,} prompt tokens, {pace.completion_tokens:,} completion tokens;"
            f" {pace.retried:,} retried, {pace.asked_again:,} asked again"
        )
        if pace.left and pace.left_hours is not None:
            yield f"  {pace.left:,} captions left: {_duration(pace.left_hours)} at this pace"
        if pace.without_sample is not None and pace.without_sample_hours is not None:
            not_full = pace.engine_busy_share < FULL_SHARE
            yield (
                f"  with this set-up all {pace.without_sample:,} captions of {job} take"
                f" {_duration(pace.without_sample_hours)}"
                + (f", or less: the engine was only {pace.engine_busy_share:.0%} busy" if not_full else "")
            )


def _count_without_sample(run: Run, ledger: Ledger, job: Job) -> int | None:
    images = ledger.images
    if job.is_multi:
        count = images.sets
    elif images.in_sets is None or images.single is None:
        count = None
    else:
        count = images.in_sets + images.single
    (limit,) = (each.limit for each in run.config.all_jobs() if each.name == job.name)
    return count if count is None or limit is None else min(count, limit)


def _duration(hours: float) -> str:
    if hours >= 100:
        return f"{hours:,.0f} h"
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"


def _line(label: str, count: int | None, parts: Mapping[str, int] | None = None) -> str:
    shown = "-" if count is None else f"{count:,}"
    details = ", ".join(f"{name} {number:,}" for name, number in parts.items()) if parts else ""
    return f"{label:<{_LABEL_WIDTH}} {shown:>12}{'   ' + details if details else ''}"
