"""The executor of one machine: a process for each worker.

Comes in: names of workers, a set-up, units. Goes out: events. Each process has a pipe of its own, never sees
Ctrl-C, and is ended by its parent alone, at any moment and whatever it is at; it ends by itself as soon as
its parent is gone, however that came. The standard library's pools do neither: they wait for work that nobody
wants any more, or for ever for half an answer. Not its job: what is done in them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing import connection, parent_process
from typing import Any, Self

from triptych.errors import SetupError
from triptych.executors import MAX_DEATHS, Event, Finished, Lost, Progressed, SetUp, WorkerDeathsError
from triptych.executors.desk import Crashed, Failed, QueueDesk, Ready, Wanted, described, serve
from triptych.executors.processes import without_interrupts
from triptych.executors.units import Units

ENDS_WITHIN_S = 5.0
"""A process that was asked to end, before it is killed."""


GUARD = '; a script has to call stages under `if __name__ == "__main__":`'
"""A process imports the script that started it: without a guard it would begin the stage again, and fails."""


class LocalExecutor:
    """Processes of this machine. A context manager: they are set up on entering, and end with the block."""

    def __init__(
        self,
        names: Iterable[str],
        set_up: SetUp,
        *,
        purpose: str,
        ahead: int = 1,
        gpus: float = 0,
        across_nodes: bool = False,
        most: int | None = None,
    ) -> None:
        self._set_up, self._purpose, self._ahead = set_up, purpose, ahead
        self._names = list(names)
        self._processes: list[_Process] = []
        self._deaths: Counter[str] = Counter()
        """Of processes that had no unit, one after the other, by name."""

    @property
    def workers(self) -> int:
        return len(self._names)

    def __enter__(self) -> Self:
        """Start all processes and wait until each is set up. Raises what a set-up raised."""
        try:
            for name in self._names:
                self._processes.append(self._started(name))
            for process in self._processes:
                while not process.is_ready:
                    process.receive()
                    if process.crash is not None:
                        raise process.error or SetupError(
                            f"a process that {self._purpose} {process.crash} before it had begun"
                            f"{GUARD if process.crash == _described(1) and _is_script() else ''}"
                        )
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end_all()

    def run(self, units: Iterable[Any], *, most_ahead: int | None = None) -> Iterator[Event]:
        """See Executor."""
        left = Units(units, most_ahead=most_ahead)
        self._deaths.clear()
        while left.give_out(self._processes):
            by_pipe = {process.pipe: process for process in self._processes}
            for pipe in connection.wait(list(by_pipe)):
                process = by_pipe[pipe]  # type: ignore[index]
                message = process.receive()
                if process.crash is not None:
                    yield from self._replace(process, left)
                elif isinstance(message, Finished):
                    self._deaths.clear()
                    left.finish(message.number)
                    yield message
                elif isinstance(message, Progressed):
                    yield message

    def _replace(self, dead: _Process, left: Units) -> Iterator[Event]:
        lost = Lost(dead.name, tuple(sorted(dead.units)), dead.crash or "")
        error = dead.error or WorkerDeathsError(
            f"a process that {self._purpose} {dead.crash}, as two did before at the same work;"
            " what is finished stays: remove the cause and run the same command: it goes on"
        )
        yield lost
        yield from left.lose(lost, error)
        self._deaths[dead.name] += not dead.units
        if self._deaths[dead.name] >= MAX_DEATHS:
            raise error
        dead.end()
        self._processes[self._processes.index(dead)] = self._started(dead.name)

    def _started(self, name: str) -> _Process:
        return _Process(name, self._set_up, self._ahead)

    def _end_all(self) -> None:
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.end()


class _Process:
    """One process and what is known of it."""

    def __init__(self, name: str, set_up: SetUp, ahead: int) -> None:
        self.name = name
        self.units: set[int] = set()
        """Given to it and not finished, by number."""
        self.wanted = 0
        self.is_ready = False
        self.crash: str | None = None
        """Why it ended, as the end of a sentence."""
        self.error: Exception | None = None
        """What it raised, where that is why."""
        context = multiprocessing.get_context("spawn")  # not fork: torch and the progress have threads
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, set_up, name, ahead), daemon=True)
        with without_interrupts():
            self._process.start()
            theirs.close()

    def receive(self) -> object:
        """Its next message, noted. Sets ``crash`` where it has ended. Raises what no worker could avoid."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join(ENDS_WITHIN_S)
            self.crash = _described(self._process.exitcode)
            return None
        match message:
            case Ready():
                self.is_ready = True
            case Wanted():
                self.wanted += 1
            case Finished(number):
                self.units.discard(number)
            case Crashed(error):
                self.error = error
                self.crash = described(error)
            case Failed(error):
                raise error
        return message

    def give(self, unit: tuple[int, Any]) -> None:
        """Hand out a unit. If the process has just died, that is seen at the next message."""
        self.wanted -= 1
        self.units.add(unit[0])
        with contextlib.suppress(OSError):
            self.pipe.send(unit)

    def ask_to_end(self) -> None:
        """What it has in hand is lost, and was not finished."""
        if self._process.pid is not None:
            self._process.terminate()

    def end(self) -> None:
        """See to it that it has ended."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join(ENDS_WITHIN_S)
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _serve(pipe: connection.Connection, set_up: SetUp, name: str, ahead: int) -> None:
    """The main function of the process. A thread reads the pipe, so that the parent never waits to give a
    unit."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    desk = QueueDesk(pipe.send, ahead)
    threading.Thread(target=_read, args=(pipe, desk), daemon=True).start()
    serve(desk, set_up, name)


def _read(pipe: connection.Connection, desk: QueueDesk) -> None:
    while True:
        try:
            desk.given.put(pipe.recv())
        except (EOFError, OSError):  # the parent has gone, or ends this process
            return
        except Exception as error:  # of a unit that can't be unpickled: the parent has to know
            desk.given.put(error)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _is_script() -> bool:
    main = sys.modules["__main__"]
    return getattr(main, "__spec__", None) is None and hasattr(main, "__file__")


def _described(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed (exit code -9; often for want of memory)"
    if exit_code is not None and exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
