"""The executor of one machine: a process for each worker.

Comes in: names of workers, a set-up, units. Goes out: events. Each process has its own pipe, never sees
Ctrl-C, and can be ended by its parent at any moment; it ends by itself when its parent dies. The standard
library's pools do neither: they wait for work that nobody wants any more, or forever for half an answer. Not
its job: the work.
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
from triptych.executors.channel import Crashed, Failed, QueueChannel, Ready, Wanted, described, serve
from triptych.executors.processes import without_interrupts
from triptych.executors.units import Units, Worker

ENDS_WITHIN_S = 5.0
"""How long a process may take to end before it is killed."""

GUARD = '; a script has to call stages under `if __name__ == "__main__":`'
"""A process imports the script that started it. Without the guard it would start the stage again and fail."""


class LocalExecutor:
    """Processes of this machine. A context manager: they are set up on entering and ended on leaving."""

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
        """By name: processes in a row that died without a unit."""

    @property
    def workers(self) -> int:
        return len(self._names)

    def __enter__(self) -> Self:
        """Start all processes and wait until each is set up. Raises what a set-up raised."""
        try:
            for name in self._names:
                self._processes.append(_Process(name, self._set_up, self._ahead))
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
            " remove the cause and run the same command: it resumes, and finished work is kept"
        )
        yield lost
        yield from left.lose(lost, error)
        self._deaths[dead.name] += not dead.units
        if self._deaths[dead.name] >= MAX_DEATHS:
            raise error
        dead.end()
        self._processes[self._processes.index(dead)] = _Process(dead.name, self._set_up, self._ahead)

    def _end_all(self) -> None:
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.end()


class _Process(Worker):
    """One process, as its parent sees it."""

    def __init__(self, name: str, set_up: SetUp, ahead: int) -> None:
        super().__init__(name)
        context = multiprocessing.get_context("spawn")  # not fork: torch and the progress bar have threads
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, set_up, name, ahead), daemon=True)
        with without_interrupts():
            self._process.start()
            theirs.close()

    def receive(self) -> object:
        """Receive and note its next message. Sets ``crash`` if it has ended. Raises errors that every worker
        would meet."""
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

    def _send(self, number: int, unit: Any) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send((number, unit))

    def ask_to_end(self) -> None:
        """Unfinished units are lost."""
        if self._process.pid is not None:
            self._process.terminate()

    def end(self) -> None:
        """End the process and wait for it."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join(ENDS_WITHIN_S)
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _serve(pipe: connection.Connection, set_up: SetUp, name: str, ahead: int) -> None:
    """The main function of the process. A thread reads the pipe, so the parent never blocks on sending."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    channel = QueueChannel(pipe.send, ahead)
    threading.Thread(target=_read, args=(pipe, channel), daemon=True).start()
    serve(channel, set_up, name)


def _read(pipe: connection.Connection, channel: QueueChannel) -> None:
    while True:
        try:
            channel.given.put(pipe.recv())
        except (EOFError, OSError):  # the parent is gone, or ends this process
            return
        except Exception as error:  # the unit can't be unpickled: the parent has to know
            channel.given.put(error)


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
