"""What the captions stage remembers of each job: how far it is, and what that was counted over.

Comes in: a run folder, counts. Goes out: notes of the stage in run.json: of each job that was ever done its
``limit``, ``planned``, ``captioned``, ``failed`` and figures (see metrics), all while it is at work at most
some seconds old. A job is done where its counts add up and its generation, its journals, its limit and what
grouping wrote are those of then. Not its job: counting (see backlog).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

import msgspec

from triptych.captioning.backlog import may_pass
from triptych.captioning.fingerprint import stage_settings
from triptych.jobs import Job
from triptych.runs.digest_cache import signature_of
from triptych.runs.done_shards import CaptionCounts
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import put_aside, read_generation
from triptych.runs.ledger.noted import as_note


class JobNotes:
    """Those of one run. ``values`` are as run.json has them."""

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
        """What ``begin`` found, and whether other generations count since."""
        self.values: dict[str, Setting] = dict(state.notes) if state is not None else {}
        if state is not None and state.inputs != self._inputs:
            self._recount()

    def begin(self) -> None:
        """Tell the run what is captioned, with which settings. Raises SetupError where that was damaged."""
        settings = stage_settings(self._run)
        self._before = self._run.run_file.stages.get("captions")
        if self._before is not None:
            self._before.settings = settings
        self._run.begin_stage("captions", settings, self._inputs)

    def take_back_begin(self) -> None:
        """No engine could be had: the stage is as it was, unless other generations count since."""
        if not self._has_used:
            self._run.restore_stage("captions", self._before)

    def use(self, generations: Mapping[str, str]) -> None:
        """From now on these generations count, by job. One write of run.json; nothing else changes."""
        self._has_used = True
        self.forget(generations)
        self.forget(self.built_on(generations))
        for job, name in generations.items():
            if base := read_generation(self._run, job, name).settings.get("captions_of"):
                self.values[f"{job}.captions_of"] = base
        put_aside(self._run, generations)
        self._run.run_file.generations |= generations
        state = self._run.run_file.stages["captions"]
        state.settings, state.finished = stage_settings(self._run), False
        self.save()

    def forget(self, jobs: Collection[str]) -> None:
        """How far these are has to be counted again."""
        self.values = {
            key: value
            for key, value in self.values.items()
            if key.partition(".")[0] not in jobs or key.endswith((".limit", ".planned", ".captions_of"))
        }

    def built_on(self, jobs: Collection[str]) -> list[str]:
        """The jobs whose captions are built on those of one of ``jobs``."""
        known = (key.removesuffix(".captions_of") for key in self.values if key.endswith(".captions_of"))
        return [job for job in known if self.values[f"{job}.captions_of"] in jobs]

    def planned_now(self, job: Job, sample: int | None, *, is_same: bool) -> Job:
        """``job`` limited to a sample; one that is done with more, by the same generation, stays as it is."""
        if sample is None:
            return job
        sampled, before = job.limited_to(sample), self.as_planned(job)
        is_more = before.limit is None or (sampled.limit is not None and before.limit > sampled.limit)
        return before if is_same and is_more and self.is_known(job) and self.is_done(before) else sampled

    def as_planned(self, job: Job) -> Job:
        """With the limit that was noted."""
        limit = self.values.get(f"{job.name}.limit")
        return job.limited_to(limit) if isinstance(limit, int) else job

    def is_known(self, job: Job) -> bool:
        """Whether it was ever done."""
        return f"{job.name}.planned" in self.values

    def is_done(self, job: Job) -> bool:
        """Whether it misses nothing."""
        return self.values.get(f"{job.name}.counted_over") == self._counted_over(job)

    def left_over(self, jobs: Iterable[Job]) -> list[str]:
        """Of those that were ever done the names of those that miss something."""
        return [job.name for job in jobs if self.is_known(job) and not self.is_done(self.as_planned(job))]

    def failed(self, job: Job) -> bool:
        """Whether there are failures."""
        return bool(self.values.get(f"{job.name}.failed"))

    def may_pass(self, job: Job) -> bool:
        """Whether there are failures that the same command asks for again; all where there is no caption."""
        captioned = self.values.get(f"{job.name}.captioned")
        return bool(self.values.get(f"{job.name}.may_pass")) or (self.failed(job) and not captioned)

    def count(self, job: Job, counts: CaptionCounts, figures: Mapping[str, Setting] | None = None) -> None:
        """How far ``job`` is, while it is at work."""
        self.values |= {
            f"{job.name}.limit": job.limit,
            f"{job.name}.planned": counts.planned,
            f"{job.name}.captioned": counts.captioned,
            f"{job.name}.failed": counts.failed,
            f"{job.name}.failed_by": as_note(counts.failed_by),
            f"{job.name}.may_pass": may_pass(counts),
            f"{job.name}.counted_over": None,
            **(figures or {}),
        }

    def end(self, job: Job, counts: CaptionCounts) -> None:
        """How far ``job`` is when the command that does it ends: it is done where nothing is missing."""
        self.count(job, counts)
        if not counts.missing:
            self.values[f"{job.name}.counted_over"] = self._counted_over(job)

    def save(self) -> None:
        """In run.json."""
        self._run.run_file.stages["captions"].notes = dict(self.values)
        self._run.save()

    def _counted_over(self, job: Job) -> str:
        base = self.values.get(f"{job.name}.captions_of")
        names = [job.name, *([str(base)] if base is not None else [])]
        # Journals that somebody has touched since are counted again.
        journals = [path for name in names for path in self._run.captions_folder(name).rglob("*.jsonl")]
        untouched, _ = signature_of(self._run.path, sorted(journals), "")
        generations = [self._run.run_file.generations.get(name) for name in names]
        content = msgspec.json.encode(
            (generations, job.limit, self._inputs, untouched), order="deterministic"
        )
        return hashlib.sha256(content).hexdigest()[:16]

    def _recount(self) -> None:
        """Files were lost, or made again: nothing is done for sure."""
        self.values = {key: None if key.endswith(".counted_over") else v for key, v in self.values.items()}
