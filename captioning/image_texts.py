"""The texts that sources have of images, for prompts with ``{text}``.

Comes in: a run, its sources, the name of the field (``input.text``). Goes out: the text of an image. A job on
images keeps the texts of a few shards in memory; a job on sets those of all images in sets. Not its job:
filling prompts (see prompts.fields).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from triptych.errors import UsageError
from triptych.jobs import Job
from triptych.prompts.fields import MAX_CHARACTERS
from triptych.records import ImageRecord
from triptych.runs.context import RunContext
from triptych.sources.shard import Shard
from triptych.sources.texts import Texts

KEPT_SHARDS = 4


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
