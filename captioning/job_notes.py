"""The captions stage's notes on the progress of each job.

Comes in: a run folder, counts. Goes out: the stage's notes in run.json: for each job that was ever begun its
``limit``, ``planned``, ``captioned``, ``failed`` and figures (see metrics), a few seconds old while it runs.
A job is done if nothing was missing when it was last counted, and its generation, journals, limit and the
files of grouping haven't changed since. Not its job: counting (see backlog).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from triptych.captioning.backlog import Backlog, retryable_count
from triptych.captioning.fingerprint import stage_settings
from triptych.jobs import Job
from triptych.runs.caption_counts import CaptionCounts
from triptych.runs.digest_cache import signature_of
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import put_aside, read_generation
from triptych.runs.ledger.noted import as_note
from triptych.runs.plan import JobPlan


class JobNotes:
    """The notes of one run. ``values`` is what run.json stores."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._inputs = {
            "images": run.digest("images"),
            "duplicates": run.digest("duplicates.jsonl"),
            "sets": run.digest("sets.jsonl"),
            "screened": run.digest("screened.jsonl") if run.screened_file.exists() else "",
        }
        state = run.run_file.stages.get("captions")
        self._before, self._has_used = state, False
        """The stage before ``begin``, and whether ``use`` was called."""
        self.values: dict[str, Setting] = dict(state.notes) if state is not None else {}
        if state is not None and state.inputs != self._inputs:
            self._recount()

    def begin(self) -> None:
        """Begin the stage with the settings of all current generations. Raises SetupError if one of them is
        damaged."""
        settings = stage_settings(self._run)
        self._before = self._run.run_file.stages.get("captions")
        if self._before is not None:
            self._before.settings = settings
        self._run.begin_stage("captions", settings, self._inputs)

    def undo_begin(self) -> None:
        """Restore the stage, because no engine could be opened; not after ``use``."""
        if not self._has_used:
            self._run.restore_stage("captions", self._before)

    def use(self, generations: Mapping[str, str]) -> None:
        """Make these generations, by job, the current ones, in one write of run.json."""
        self._has_used = True
        self.forget(generations)
        self.forget(self.dependents(generations))
        for job, name in generations.items():
            if base := read_generation(self._run, job, name).settings.get("captions_of"):
                self.values[f"{job}.captions_of"] = base
        put_aside(self._run, generations)
        self._run.run_file.generations |= generations
        state = self._run.run_file.stages["captions"]
        state.settings, state.finished = stage_settings(self._run), False
        self.save()

    def finish_switch(self, every_job: Sequence[Job]) -> None:
        """Finish the stage after ``use`` if the generations in use have all captions: of each job that was
        begun, or of its last sample."""
        for name in self.unfinished(every_job):
            job = next(each for each in every_job if each.name == name)
            counts = Backlog(JobPlan(self._run, job)).counts
            if counts.missing:
                job = self._with_noted_limit(job)
                counts = Backlog(JobPlan(self._run, job)).counts
            self.end(job, counts)
        if self.unfinished(every_job):
            self.save()
        else:
            self._run.finish_stage("captions", self.values)

    def forget(self, jobs: Collection[str]) -> None:
        """Drop the counts of ``jobs``: they have to be counted again."""
        self.values = {
            key: value
            for key, value in self.values.items()
            if key.partition(".")[0] not in jobs or key.endswith((".limit", ".planned", ".captions_of"))
        }

    def dependents(self, jobs: Collection[str]) -> list[str]:
        """The jobs whose prompts build on captions of one of ``jobs``."""
        known = (key.removesuffix(".captions_of") for key in self.values if key.endswith(".captions_of"))
        return [job for job in known if self.values[f"{job}.captions_of"] in jobs]

    def limited_to_sample(self, job: Job, sample: int | None, *, is_same: bool) -> Job:
        """``job`` limited to a sample, unless a larger limit is done already with the same generation."""
        if sample is None:
            return job
        sampled, before = job.limited_to(sample), self._with_noted_limit(job)
        is_more = before.limit is None or (sampled.limit is not None and before.limit > sampled.limit)
        return before if is_same and is_more and self._is_known(job) and self._has_all(before) else sampled

    def _with_noted_limit(self, job: Job) -> Job:
        limit = self.values.get(f"{job.name}.limit")
        return job.limited_to(limit) if isinstance(limit, int) else job

    def _is_known(self, job: Job) -> bool:
        return f"{job.name}.planned" in self.values

    def _has_all(self, job: Job) -> bool:
        """Whether nothing is missing, counted if need be, as in a copy of a run."""
        return self.is_done(job) or not Backlog(JobPlan(self._run, job)).counts.missing

    def is_done(self, job: Job) -> bool:
        """Whether nothing is missing, as far as the notes still hold."""
        return self.values.get(f"{job.name}.counted_over") == self._counted_over(job)

    def unfinished(self, jobs: Iterable[Job]) -> list[str]:
        """The names of jobs that were begun and aren't done."""
        begun = (job for job in jobs if self._is_known(job))
        return [job.name for job in begun if not self.is_done(self._with_noted_limit(job))]

    def has_failures(self, job: Job) -> bool:
        """Whether any caption failed."""
        return bool(self.values.get(f"{job.name}.failed"))

    def has_retryable_failures(self, job: Job) -> bool:
        """Whether the same command asks again for some failures: for all while there is no caption."""
        captioned = self.values.get(f"{job.name}.captioned")
        return bool(self.values.get(f"{job.name}.may_pass")) or (self.has_failures(job) and not captioned)

    def count(self, job: Job, counts: CaptionCounts, figures: Mapping[str, Setting] | None = None) -> None:
        """Note the progress of ``job`` while it runs."""
        self.values |= {
            f"{job.name}.limit": job.limit,
            f"{job.name}.planned": counts.planned,
            f"{job.name}.captioned": counts.captioned,
            f"{job.name}.failed": counts.failed,
            f"{job.name}.failed_by": as_note(counts.failed_by),
            f"{job.name}.may_pass": retryable_count(counts),
            f"{job.name}.counted_over": None,
            **(figures or {}),
        }

    def end(self, job: Job, counts: CaptionCounts) -> None:
        """Note the progress of ``job`` at the end of a command: it is done if nothing is missing."""
        self.count(job, counts)
        if not counts.missing:
            self.values[f"{job.name}.counted_over"] = self._counted_over(job)

    def save(self) -> None:
        """Write the notes to run.json."""
        self._run.run_file.stages["captions"].notes = dict(self.values)
        self._run.save()

    def _counted_over(self, job: Job) -> str:
        """A digest of all that the counts of ``job`` depend on, with the sizes and times of its journals."""
        base = self.values.get(f"{job.name}.captions_of")
        names = [job.name, *([str(base)] if base is not None else [])]
        journals = [path for name in names for path in self._run.captions_folder(name).rglob("*.jsonl")]
        untouched, _ = signature_of(self._run.path, sorted(journals), "")
        generations = [self._run.run_file.generations.get(name) for name in names]
        content = msgspec.json.encode(
            (generations, job.limit, self._inputs, untouched), order="deterministic"
        )
        return hashlib.sha256(content).hexdigest()[:16]

    def _recount(self) -> None:
        """The files of grouping have changed: no job is known to be done."""
        self.values = {key: None if key.endswith(".counted_over") else v for key, v in self.values.items()}
