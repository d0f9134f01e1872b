"""The journals that are being written, of which a few are open.

Comes in: a job and a shard. Goes out: the writer of their journal. Not its job: what is written.
"""

from __future__ import annotations

from collections import OrderedDict

from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter

MAX_OPEN_JOURNALS = 16


class Journals:
    """For one thread."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._open: OrderedDict[tuple[str, str], JournalWriter] = OrderedDict()

    def writer(self, job: str, shard: str) -> JournalWriter:
        """The writer, opened where it isn't; the one that was used least recently makes room."""
        if (job, shard) not in self._open:
            if len(self._open) >= MAX_OPEN_JOURNALS:
                self._open.popitem(last=False)[1].close()
            self._open[job, shard] = JournalWriter(self._run.captions_file(job, shard))
        self._open.move_to_end((job, shard))
        return self._open[job, shard]

    def __enter__(self) -> Journals:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()
