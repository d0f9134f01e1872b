"""Writes finished groups into the journals of a run.

Comes in: batches of finished groups. Goes out: journals, committed a few times a second: a caption is counted
once it is on disk. Not its job: making captions (see scheduler), the format of a journal (see runs.journal).
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
    """Write all ``batches``.

    ``rows_of`` a group are written to ``journal_of`` that group; ``on_written`` is called with the group once
    they are on disk. If the engine or ``on_written`` raises, ``stopping`` is set, the groups that still come
    back are written, and the exception is raised again.
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
        except BaseException:  # such as KeyboardInterrupt: don't wait for the threads
            stopping.set()
            raise


class _Journals:
    """Keeps the last used journals open. Not thread-safe."""

    def __init__(self, journal_of: Callable[[FinishedGroup], Path], rows_of: RowsOf) -> None:
        self._journal_of, self._rows_of = journal_of, rows_of
        self._open: OrderedDict[Path, JournalWriter] = OrderedDict()

    def write(self, batch: Sequence[FinishedGroup]) -> None:
        """Commit with one fsync per journal."""
        by_journal: dict[Path, list[msgspec.Struct]] = {}
        for finished in batch:
            by_journal.setdefault(self._journal_of(finished), []).extend(self._rows_of(finished))
        for path, rows in by_journal.items():
            self._writer(path).commit(rows)

    def _writer(self, path: Path) -> JournalWriter:
        """The open journal at ``path``. If too many are open, closes the least recently used one."""
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
