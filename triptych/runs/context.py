"""What every stage is given of a run, in one object.

Comes in: an open run folder, the jobs and prompts of its config. Goes out: a RunContext. Not its job: a
stage's own settings, which are its second argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from triptych.errors import UsageError
from triptych.executors import Cluster, OpenExecutor
from triptych.executors.local import LocalExecutor
from triptych.jobs import Job
from triptych.languages import Language, language_of
from triptych.progress import Progress, Silent
from triptych.prompts import Prompt
from triptych.runs.folder import RunFolder
from triptych.runs.grouped_images import GroupedImages
from triptych.runs.plan import JobPlan
from triptych.sources.image_cache import ImageCache


class RunContext(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One run as a stage sees it."""

    folder: RunFolder
    jobs: Sequence[Job] = ()
    """Those to work on, in order; a sample is in their limits already."""
    prompts: Mapping[str, Prompt] = {}
    """By job's name."""
    added_languages: Mapping[str, Language] = {}
    """Those that the config adds, by code."""
    text_field: str = ""
    """Where the source has the text of an image (see sources.texts); empty where nothing is asked for."""
    image_cache: ImageCache | None = None
    """Where images stay that were read once; None: nowhere."""
    progress: Progress = msgspec.field(default_factory=Silent)
    open_executor: OpenExecutor = LocalExecutor
    """Where work is spread over processes: on this machine, unless something else is put here."""
    cluster: Cluster | None = None
    """Other machines that share the run's file system; None: this one alone."""

    def job(self, name: str) -> Job:
        """The job with this name. Raises UsageError where the run has none."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise UsageError(
            f"{self.folder.path} has no job {name!r}; it has {', '.join(job.name for job in self.jobs)}"
        )

    def language(self, job: Job) -> Language:
        """What a job's captions are written in."""
        return language_of(job.language, self.added_languages)

    def plan(self, job: Job) -> JobPlan:
        """What a job has to caption, and what became of it. What all plans need of the run is read once."""
        if job not in self._plans:
            self._plans[job] = JobPlan(self.folder, job, grouped=self.grouped)
        return self._plans[job]

    def plan_anew(self, job: Job) -> JobPlan:
        """The same, after captions that ``job`` is told have changed."""
        self._plans.pop(job, None)
        return self.plan(job)

    @cached_property
    def _plans(self) -> dict[Job, JobPlan]:
        return {}

    @cached_property
    def grouped(self) -> GroupedImages:
        """What grouping has found."""
        return GroupedImages(self.folder)
