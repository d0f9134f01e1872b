"""Writes what a scheduler finishes into the journals of a run.

Comes in: batches of finished groups. Goes out: journals in which every caption that was counted is on disk, a
few commits a second. A few of the journals are open at a time. Not its job: making captions (see scheduler),
what a journal is (see runs.journal).
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from triptych.captioning.scheduler import FinishedGroup
from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter

MAX_OPEN_JOURNALS = 16


def write_captions(
    run: RunFolder,
    batches: Iterator[list[FinishedGroup]],
    on_written: Callable[[FinishedGroup], None],
    stopping: threading.Event,
) -> None:
    """Write ``batches`` to their end, or where ``stopping`` is set until the engine's groups are written.

    ``on_written`` gets each group when its rows are on disk. What the engine raises, or ``on_written``,
    ends the work, after everything that had come back was written.
    """
    with _Journals(run) as journals:
        try:
            for batch in batches:
                journals.write(batch)
                for finished in batch:
                    on_written(finished)
        except Exception:
            stopping.set()
            with contextlib.suppress(Exception):  # the first error is the one to be raised
                for batch in batches:
                    journals.write(batch)
            raise
        except BaseException:  # now: threads are left to themselves
            stopping.set()
            raise


class _Journals:
    """The journals that are open. For one thread."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._open: OrderedDict[tuple[str, str], JournalWriter] = OrderedDict()

    def write(self, batch: Sequence[FinishedGroup]) -> None:
        """Commit, one fsync a journal."""
        by_journal: dict[tuple[str, str], list[Caption]] = {}
        for finished in batch:
            journal = (finished.group.job.name, finished.group.shard)
            by_journal.setdefault(journal, []).extend(finished.rows)
        for (job, shard), rows in by_journal.items():
            self._writer(job, shard).commit(rows)

    def _writer(self, job: str, shard: str) -> JournalWriter:
        """Opened where it isn't; the one that was used least recently is closed for it."""
        if (job, shard) not in self._open:
            if len(self._open) >= MAX_OPEN_JOURNALS:
                self._open.popitem(last=False)[1].close()
            self._open[job, shard] = JournalWriter(self._run.captions_file(job, shard))
        self._open.move_to_end((job, shard))
        return self._open[job, shard]

    def __enter__(self) -> _Journals:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()
