"""Progress reports of stages, for a terminal or a log.

Comes in: advances of a counted task. Goes out, on stderr: a live bar on a terminal, otherwise one plain line
every few seconds. Not its job: the counts of a run (see runs.ledger).
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, runtime_checkable

from triptych.terminal import echo, printable

LINE_EVERY_S = 5.0

_is_quiet = False


class Task(Protocol):
    """A counted task in progress."""

    def advance(self, count: int) -> None:
        """Report that ``count`` more units are done."""

    def note(self, text: str) -> None:
        """Show ``text`` beside the count from now on."""


@runtime_checkable
class Progress(Protocol):
    """What stages report to."""

    def task(self, label: str, total: int | None, unit: str) -> contextlib.AbstractContextManager[Task]:
        """Report on a task of ``total`` units (None: unknown) for the duration of the block."""

    def say(self, line: str) -> None:
        """Print one line that stays."""


class Silent:
    """Reports nothing."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        yield _NoTask()

    def say(self, line: str) -> None:
        pass


class Lines:
    """Plain lines on stderr: for each task at most one every LINE_EVERY_S seconds, and one at its end."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        counter = _LineTask(label, total, unit)
        yield counter
        counter.print_line(done=True)

    def say(self, line: str) -> None:
        echo(line, to_stderr=True)


class Bars(Lines):
    """A live bar for each task, on a terminal."""

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.table import Column

        def text(field: str, **column: Any) -> rich_progress.TextColumn:
            return rich_progress.TextColumn(field, table_column=Column(no_wrap=True, **column))

        # With a narrower column, bars would move with each digit.
        widest = f"{total or 0:,}/{total or 0:,} {unit}, 9,999/s"
        # On a narrow terminal the note gives way first, then the bar.
        columns = (
            text("{task.description}", min_width=20),
            rich_progress.BarColumn(bar_width=None, table_column=Column(min_width=4, max_width=40, ratio=1)),
            text("{task.fields[counts]}", min_width=len(widest)),
            text("{task.fields[left]}", min_width=12),
            text("{task.fields[note]}", overflow="ellipsis", ratio=2),
        )
        with rich_progress.Progress(*columns, console=Console(stderr=True), expand=True) as bars:
            count = _Count(total, unit)
            identifier = bars.add_task(label, total=total, note="", counts=count.done(), left="")
            task = _BarTask(count, partial(bars.update, identifier))
            yield task
            task.finish()


def set_quiet(quiet: bool) -> None:
    """Silence ``for_stderr`` and ``hint`` from now on, or not."""
    global _is_quiet
    _is_quiet = quiet


def hint(line: str) -> None:
    """Print what the user may do next."""
    if not _is_quiet:
        echo(line, to_stderr=True)


def for_stderr() -> Progress:
    """Bars on a terminal, lines otherwise; nothing if the command is quiet."""
    if _is_quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class _NoTask:
    def advance(self, count: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _Count:
    """How much of a task is done, how fast, and how long the rest takes."""

    def __init__(self, total: int | None, unit: str) -> None:
        self._total, self._unit = total, unit
        self._done = 0
        self._began = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count

    def done(self) -> str:
        """Such as ``120/216 images, 4.2/s``."""
        of_total = "" if self._total is None else f"/{self._total:,}"
        return f"{self._done:,}{of_total} {self._unit}{self._pace()}"

    def left(self) -> str:
        """Such as ``0:01:10 left``; empty if unknown."""
        if self._total is None or not self._done:
            return ""
        left_s = max(self._total - self._done, 0) * self.elapsed_s / self._done
        return f"{timedelta(seconds=round(left_s))} left"

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _pace(self) -> str:
        """Such as ``, 4.2/s``; empty in the first second, when it would mean little."""
        if self.elapsed_s < 1 or not self._done:
            return ""
        pace = self._done / self.elapsed_s
        return f", {pace:,.0f}/s" if pace >= 100 else f", {pace:.1f}/s"


class _LineTask:
    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self._note = ""
        self._label, self._count = label, _Count(total, unit)
        self._last = time.monotonic()

    def advance(self, count: int) -> None:
        self._count.advance(count)
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self.print_line(done=False)

    def note(self, text: str) -> None:
        self._note = text

    def print_line(self, *, done: bool) -> None:
        self._last = time.monotonic()
        time_text = f"took {self._count.elapsed_s:.0f} s" if done else self._count.left()
        counts = ", ".join(filter(None, (self._count.done(), time_text)))
        echo(f"{self._label}: {counts}{f'; {self._note}' if self._note else ''}", to_stderr=True)


class _BarTask:
    def __init__(self, count: _Count, update: Callable[..., None]) -> None:
        self._count, self._update = count, update

    def advance(self, count: int) -> None:
        self._count.advance(count)
        self._update(advance=count, counts=self._count.done(), left=self._count.left())

    def note(self, text: str) -> None:
        self._update(note=printable(text))

    def finish(self) -> None:
        """Leave the bar on the terminal, with the time that the task took."""
        took = timedelta(seconds=round(self._count.elapsed_s))
        self._update(counts=self._count.done(), left=f"took {took}")
