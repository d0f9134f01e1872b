"""The captions of a set's images in another job, for prompts with ``{captions}``.

Comes in: a run and its jobs. Goes out: the caption of an image, or an error if there can't be any. The
captions of all images in sets are kept in memory. Not its job: filling prompts (see prompts.fields).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from triptych.errors import SetupError, UsageError
from triptych.jobs import Job
from triptych.prompts import Prompt
from triptych.records import ImageRecord
from triptych.runs.context import RunContext


class ImageCaptions:
    """Reads a job's captions when a job on sets first asks for one. Thread-safe."""

    def __init__(self, context: RunContext, every_job: Sequence[Job]) -> None:
        self._context, self._every_job = context, every_job
        self._by_job: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def __call__(self, job: Job, image: ImageRecord) -> str:
        """The caption of an image for ``job`` on sets; empty if it failed, was rejected or isn't planned."""
        with self._lock:
            if job.name not in self._by_job:
                base = job_of_captions(job, self._context.prompts[job.name], self._every_job)
                self._by_job[job.name] = self._read(base)
        return self._by_job[job.name].get(image.key, "")

    def _read(self, base: Job) -> dict[str, str]:
        members = self._context.grouped.members
        return {
            planned.target.images[0].key: planned.caption.text
            for _, shard in self._context.plan(base).read_all(verdicts=True)
            for planned in shard
            if planned.target.images[0].key in members and planned.caption is not None
            if planned.is_kept or (planned.verdict is None and planned.is_captioned)
        }


def job_of_captions(job: Job, prompt: Prompt, every_job: Sequence[Job]) -> Job:
    """The job on images whose captions the prompt of ``job`` builds on. Raises UsageError if there is
    none."""
    for other in every_job:
        is_meant = other.name == prompt.captions_of if prompt.captions_of else other.language == job.language
        if is_meant and not other.is_multi:
            return other
    asked = f"{prompt.captions_of} is no job" if prompt.captions_of else f"no job in {job.language} is"
    raise UsageError(
        f"the prompt of {job.name} has {{captions}}, and {asked} on single images; name one with captions_of"
    )


def refuse_without_captions(context: RunContext, every_job: Sequence[Job], now: Collection[str]) -> None:
    """Raise SetupError if a prompt builds on captions of a job that has none and isn't among those done
    ``now``."""
    for job in context.jobs:
        prompt = context.prompts[job.name]
        if "captions" not in prompt.fields:
            continue
        base = job_of_captions(job, prompt, every_job)
        if base.name not in now and base.name not in context.folder.run_file.generations:
            raise SetupError(
                f"the prompt of {job.name} builds on captions of {base.name}, and {context.folder.path} has"
                f" none; make them first, or with --job {base.name} --job {job.name}"
            )
