"""Writes finished groups into the journals of a run, until Ctrl-C.

Comes in: batches of finished groups; SIGINT, once to finish what is in flight, twice to stop at once. Goes
out: journals, committed a few times a second: a caption is counted once it is on disk. Not its job: making
captions (see scheduler), the format of a journal (see runs.journal).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Self

import msgspec

from triptych.captioning.scheduler import FinishedGroup
from triptych.runs.journal import JournalWriter

MAX_OPEN_JOURNALS = 16

INTERRUPTED = "\ninterrupted: finishing what is in flight; once more to stop now\n"

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()


class Interrupts:
    """Sets ``stopping`` on the first SIGINT. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.was_interrupted = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.was_interrupted and error is None:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.was_interrupted:
            raise KeyboardInterrupt
        self.was_interrupted = True
        self.stopping.set()
        os.write(2, INTERRUPTED.encode())  # the signal may have interrupted a print, which isn't reentrant
