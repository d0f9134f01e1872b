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
from pathlib import Path

import msgspec

from triptych.captioning.scheduler import FinishedGroup
from triptych.runs.journal import JournalWriter

MAX_OPEN_JOURNALS = 16


RowsOf = Callable[[FinishedGroup], Sequence[msgspec.Struct]]


def write_captions(
    journal_of: Callable[[FinishedGroup], Path],
    batches: Iterator[list[FinishedGroup]],
    on_written: Callable[[FinishedGroup], None],
    stopping: threading.Event,
    rows_of: RowsOf = lambda finished: finished.rows,
) -> None:
    """Write ``batches`` to their end, or where ``stopping`` is set until the engine's groups are written.

    ``journal_of`` says where ``rows_of`` a group go; ``on_written`` gets each group when they are on disk.
    What the engine raises, or ``on_written``, ends the work, after everything that had come back was written.
    """
    with _Journals(journal_of, rows_of) as journals:
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

    def __init__(self, journal_of: Callable[[FinishedGroup], Path], rows_of: RowsOf) -> None:
        self._journal_of, self._rows_of = journal_of, rows_of
        self._open: OrderedDict[Path, JournalWriter] = OrderedDict()

    def write(self, batch: Sequence[FinishedGroup]) -> None:
        """Commit, one fsync a journal."""
        by_journal: dict[Path, list[msgspec.Struct]] = {}
        for finished in batch:
            by_journal.setdefault(self._journal_of(finished), []).extend(self._rows_of(finished))
        for path, rows in by_journal.items():
            self._writer(path).commit(rows)

    def _writer(self, path: Path) -> JournalWriter:
        """Opened where it isn't; the one that was used least recently is closed for it."""
        if path not in self._open:
            if len(self._open) >= MAX_OPEN_JOURNALS:
                self._open.popitem(last=False)[1].close()
            self._open[path] = JournalWriter(path)
        self._open.move_to_end(path)
        return self._open[path]

    def __enter__(self) -> _Journals:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()
