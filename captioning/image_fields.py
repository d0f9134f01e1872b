"""What ``{captions}`` and ``{text}`` in a prompt stand for: an image's caption in another job, and the text
that its source has of it.

Comes in: a run, its jobs and sources, the name of the field (``input.text``). Goes out: the caption and the
text of an image, or an error if there can't be any. For jobs on sets, those of all images in sets are kept in
memory; for jobs on images, the texts of a few shards. Not its job: filling prompts (see prompts.fields).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence

from triptych.errors import SetupError, UsageError
from triptych.jobs import Job
from triptych.prompts import Prompt
from triptych.prompts.fields import MAX_CHARACTERS
from triptych.records import ImageRecord
from triptych.runs.context import RunContext
from triptych.sources.shard import Shard
from triptych.sources.texts import Texts

KEPT_SHARDS = 4


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
            planned.target.images[0].key: planned.text
            for _, shard in self._context.plan(base).read_all(verdicts=True)
            for planned in shard
            if planned.target.images[0].key in members
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


class ImageTexts:
    """Reads the texts of images on demand. Thread-safe."""

    def __init__(self, context: RunContext, sources: Sequence[Shard]) -> None:
        self._context, self._sources = context, {shard.name: shard for shard in sources}
        self._by_shard: OrderedDict[str, Texts] = OrderedDict()
        self._of_members: dict[str, str] | None = None
        self._lock = threading.Lock()

    def __call__(self, job: Job, shard: str, image: ImageRecord) -> str:
        """The text of an image; empty if there is none."""
        with self._lock:
            if not job.is_multi:
                return self._shard(shard).of(image.key)
            if self._of_members is None:
                self._of_members = self._read_members()
            return self._of_members.get(image.key, "")

    def _shard(self, name: str) -> Texts:
        if name not in self._by_shard:
            self._by_shard[name] = Texts(self._sources[name], self._context.text_field)
            if len(self._by_shard) > KEPT_SHARDS:
                self._by_shard.popitem(last=False)
        self._by_shard.move_to_end(name)
        return self._by_shard[name]

    def _read_members(self) -> dict[str, str]:
        keys: dict[str, list[str]] = {}
        for key in self._context.grouped.members:
            keys.setdefault(self._context.grouped.shard_of(key), []).append(key)
        return {
            key: text[:MAX_CHARACTERS]
            for shard in sorted(keys)
            for key in keys[shard]
            if (text := self._shard(shard).of(key))
        }


def refuse_without_text_field(context: RunContext) -> None:
    """Raise UsageError if a prompt has ``{text}`` and ``input.text`` isn't set."""
    for job in context.jobs:
        if "text" in context.prompts[job.name].fields and not context.text_field:
            raise UsageError(
                f"the prompt of {job.name} has {{text}}, and input.text doesn't say where an image's text"
                " is; expected txt (a .txt beside it), a key of the .json beside it, or a Parquet column:"
                " --set input.text=NAME",
                key="input.text",
            )
