"""RunContext: what every stage needs of a run, in one object.

Comes in: an open run folder, the jobs and prompts of its config. Goes out: a RunContext. Not its job: a
stage's own settings, which are passed separately.
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
    """The jobs to work on, in order; a sample's size is already part of their limits."""
    prompts: Mapping[str, Prompt] = {}
    """By name of job."""
    added_languages: Mapping[str, Language] = {}
    """The languages that the config adds, by code."""
    text_field: str = ""
    """Where the sources have the text of an image (see sources.texts); empty if no text is read."""
    image_cache: ImageCache | None = None
    """Keeps images that were read once; None: they aren't kept."""
    progress: Progress = msgspec.field(default_factory=Silent)
    open_executor: OpenExecutor = LocalExecutor
    """Opens the executor that runs work in several processes, by default on this machine."""
    cluster: Cluster | None = None
    """Machines that share the run's file system; None: only this one works."""

    def job(self, name: str) -> Job:
        """The job with this name. Raises UsageError if the run has none."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise UsageError(
            f"{self.folder.path} has no job {name!r}; it has {', '.join(job.name for job in self.jobs)}"
        )

    def language(self, job: Job) -> Language:
        """The language of a job's captions."""
        return language_of(job.language, self.added_languages)

    def plan(self, job: Job) -> JobPlan:
        """The plan of a job, made once. All plans share ``grouped``."""
        if job not in self._plans:
            self._plans[job] = JobPlan(self.folder, job, grouped=self.grouped)
        return self._plans[job]

    def plan_anew(self, job: Job) -> JobPlan:
        """A new plan of ``job``, for when captions that its prompt quotes have changed."""
        self._plans.pop(job, None)
        return self.plan(job)

    @cached_property
    def _plans(self) -> dict[Job, JobPlan]:
        return {}

    @cached_property
    def grouped(self) -> GroupedImages:
        """What grouping found, read once for all plans."""
        return GroupedImages(self.folder)
