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
import queue
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from multiprocessing import connection, parent_process
from typing import Any, NamedTuple, Self

from triptych.errors import SetupError, TriptychError
from triptych.executors import Event, Finished, Lost, Progressed, SetUp, WorkerDeathsError
from triptych.executors.processes import without_interrupts

MAX_DEATHS = 2
"""Of workers that had the same unit, before the work is given up: once can be bad luck."""

ENDS_WITHIN_S = 5.0
"""A process that was asked to end, before it is killed."""


GUARD = '; a script has to call stages under `if __name__ == "__main__":`'
"""A process imports the script that started it: without a guard it would begin the stage again, and fails."""


class _Ready(NamedTuple):
    """The worker is set up."""


class _Wanted(NamedTuple):
    """Another unit, please. The answer may be long in coming: as long as another worker may die."""


class _Failed(NamedTuple):
    """No worker could do it: a full disk, a model that isn't there."""

    error: BaseException


class _Crashed(NamedTuple):
    """The worker ends for a reason that another one may not meet: a GPU that failed, a bug."""

    error: Exception


class LocalExecutor:
    """Processes of this machine. A context manager: they are set up on entering, and end with the block."""

    def __init__(self, names: Iterable[str], set_up: SetUp, *, purpose: str, ahead: int = 1) -> None:
        self._set_up, self._purpose, self._ahead = set_up, purpose, ahead
        self._names = list(names)
        self._processes: list[_Process] = []
        self._deaths: Counter[int] = Counter()
        self._again: deque[tuple[int, Any]] = deque()
        """Units of workers that died."""
        self._untaken: Iterator[tuple[int, Any]] | None = None
        """Units that nobody was given yet; None when there are no more."""

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

    def run(self, units: Iterable[Any]) -> Iterator[Event]:
        """See Executor."""
        self._untaken = enumerate(units)
        self._deaths.clear()
        while self._give_out():
            by_pipe = {process.pipe: process for process in self._processes}
            for pipe in connection.wait(list(by_pipe)):
                process = by_pipe[pipe]  # type: ignore[index]
                message = process.receive()
                if process.crash is not None:
                    yield self._replace(process)
                elif isinstance(message, Finished | Progressed):
                    yield message

    def _give_out(self) -> bool:
        """Give units to those who wait for some. Returns whether any is not finished yet."""
        for process in self._processes:
            while process.wanted and (unit := self._next()) is not None:
                process.give(unit)
        return bool(self._untaken is not None or self._again) or any(
            process.units for process in self._processes
        )

    def _next(self) -> tuple[int, Any] | None:
        """The next unit to give out; None where there is none now."""
        if self._again:
            return self._again.popleft()
        if self._untaken is None:
            return None
        unit = next(self._untaken, None)
        if unit is None:
            self._untaken = None
        return unit

    def _replace(self, dead: _Process) -> Lost:
        lost = Lost(dead.name, tuple(dead.units), dead.crash or "")
        had = lost.numbers or (-1,)
        self._deaths.update(had)
        if max(self._deaths[number] for number in had) >= MAX_DEATHS:
            raise dead.error or WorkerDeathsError(
                f"a process that {self._purpose} {dead.crash}, as one did before at the same work;"
                " what is finished stays: remove the cause and run the same command: it goes on",
                lost,
            )
        self._again.extendleft(reversed(dead.units.items()))
        dead.end()
        self._processes[self._processes.index(dead)] = self._started(dead.name)
        return lost

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
        self.units: dict[int, Any] = {}
        """Given to it and not finished."""
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
            case _Ready():
                self.is_ready = True
            case _Wanted():
                self.wanted += 1
            case Finished(number):
                del self.units[number]
            case _Crashed(error):
                self.error = error
                self.crash = f"ended with {' '.join(f'{type(error).__name__}: {error}'.split())[:300]}"
            case _Failed(error):
                raise error
        return message

    def give(self, unit: tuple[int, Any]) -> None:
        """Hand out a unit. If the process has just died, that is seen at the next message."""
        self.wanted -= 1
        number, self.units[number] = unit[0], unit[1]
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


class _PipeDesk:
    """A Desk at the end of a pipe. A thread reads it, so that the parent never waits to give a unit."""

    def __init__(self, pipe: connection.Connection, ahead: int) -> None:
        self._pipe, self._ahead = pipe, ahead
        self._lock = threading.Lock()

    def units(self) -> Iterator[tuple[int, Any]]:
        given: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(given,), daemon=True).start()
        for _ in range(self._ahead):
            self.send(_Wanted())
        while True:
            self.send(_Wanted())
            unit = given.get()
            if isinstance(unit, Exception):
                raise unit
            yield unit

    def progress(self, number: int, message: Any) -> None:
        self.send(Progressed(number, message))

    def finish(self, number: int, result: Any = None) -> None:
        self.send(Finished(number, result))

    def send(self, message: object) -> None:
        with self._lock:
            self._pipe.send(message)

    def _read(self, given: Any) -> None:
        while True:
            try:
                given.put(self._pipe.recv())
            except (EOFError, OSError):  # the parent has gone, or ends this process
                return
            except Exception as error:  # of a unit that can't be unpickled: the parent has to know
                given.put(error)


def _serve(pipe: connection.Connection, set_up: SetUp, name: str, ahead: int) -> None:
    """The main function of the process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    desk = _PipeDesk(pipe, ahead)
    try:
        work = set_up(name)
        desk.send(_Ready())
        work(desk)
    except (TriptychError, OSError) as error:
        _tell(desk, _Failed(error))
    except Exception as error:
        error.add_note(traceback.format_exc())
        _tell(desk, _Crashed(error))


def _tell(desk: _PipeDesk, message: _Failed | _Crashed) -> None:
    try:
        desk.send(message)
    except OSError:  # the parent has gone
        return
    except Exception:  # an error that can't be pickled
        traceback.print_exc(file=sys.stderr)
        desk.send(_Crashed(RuntimeError(f"{type(message.error).__name__}: {message.error}")))


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
