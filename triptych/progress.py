"""How far a stage is, for a person at a terminal or for a log.

Comes in: advances of a counted task. Goes out, on stderr: a live bar on a terminal, one plain line
every few seconds otherwise. Not its job: counting what is right or wrong (see ledger).
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

from triptych.terminal import echo, printable

LINE_EVERY_S = 5.0


class Task(Protocol):
    """One counted task in progress."""

    def advance(self, count: int) -> None:
        """``count`` more units are done."""

    def note(self, text: str) -> None:
        """What else is to be shown beside the count from now on."""


class Progress(Protocol):
    """Where stages report to."""

    def task(self, label: str, total: int | None, unit: str) -> contextlib.AbstractContextManager[Task]:
        """Report on ``total`` units (None: not known beforehand) for the length of the block."""

    def say(self, line: str) -> None:
        """One line that stays."""


class Silent:
    """Reports nothing."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        yield _NoTask()

    def say(self, line: str) -> None:
        pass


class Lines:
    """Plain lines on stderr, at most one every LINE_EVERY_S seconds a task, and one at its end."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        counter = _LineTask(label, total, unit)
        yield counter
        counter.print_line(done=True)

    def say(self, line: str) -> None:
        echo(line, to_stderr=True)


class Bars:
    """A live bar a task on a terminal."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        from rich import progress as rich_progress
        from rich.console import Console

        columns = (
            rich_progress.TextColumn("{task.description:<24}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn(unit),
            rich_progress.TextColumn("{task.fields[pace]}"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TextColumn("left"),
            rich_progress.TimeRemainingColumn(),
            rich_progress.TextColumn("{task.fields[note]}"),
        )
        with rich_progress.Progress(*columns, console=Console(stderr=True)) as bars:
            identifier = bars.add_task(label, total=total, note="", pace="")
            yield _BarTask(bars, identifier)

    def say(self, line: str) -> None:
        echo(line, to_stderr=True)


def for_stderr() -> Progress:
    """Bars on a terminal, lines otherwise."""
    return Bars() if sys.stderr.isatty() else Lines()


class _NoTask:
    def advance(self, count: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _LineTask:
    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self._note = ""
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._began = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self.print_line(done=False)

    def note(self, text: str) -> None:
        self._note = text

    def print_line(self, *, done: bool) -> None:
        self._last = time.monotonic()
        elapsed_s = max(self._last - self._began, 1e-9)
        rate = self._done / elapsed_s
        of_total = "" if self._total is None else f" of {self._total:,}"
        line = f"{self._label}: {self._done:,}{of_total} {self._unit}, {rate:,.1f} {self._unit}/s"
        if done:
            line += f", took {elapsed_s:.0f} s"
        elif self._total and rate > 0:
            line += f", {max(self._total - self._done, 0) / rate:.0f} s left"
        if self._note:
            line += f"; {self._note}"
        echo(line, to_stderr=True)


class _BarTask:
    def __init__(self, bars: object, identifier: object) -> None:
        self._bars, self._identifier = bars, identifier
        self._done = 0
        self._began = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        pace = f"{self._done / max(time.monotonic() - self._began, 1e-9):,.1f}/s"
        self._bars.update(self._identifier, advance=count, pace=pace)  # type: ignore[attr-defined]

    def note(self, text: str) -> None:
        self._bars.update(self._identifier, note=printable(text))  # type: ignore[attr-defined]
