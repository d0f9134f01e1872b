"""A pool of processes that an interruption is not for.

Comes in: how many, a function and what to call it with. Goes out: what it returns, in order. Each process
has a pipe of its own and is ended by its parent alone, at any moment and whatever it is at: the standard
library's pools wait for work that nobody wants any more, or for ever for half an answer of a process that
was ended. Not its job: what is done in them.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn, TypeVar

from triptych.executors.processes import ended_early, without_interrupts

Item = TypeVar("Item")
Result = TypeVar("Result")

GIVEN_AHEAD = 2
"""Items a process has at a time: one that it is at, and the next."""


class Pool:
    """Processes that wait for work (see process_pool)."""

    def __init__(self, what_for: str) -> None:
        self._what_for = what_for
        self._workers: list[tuple[BaseProcess, Connection]] = []

    def start(self, begin: Callable[..., None] | None, begins_with: tuple[object, ...]) -> None:
        """One more."""
        context = multiprocessing.get_context("spawn")  # not fork: the progress display has threads
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, begin, begins_with), daemon=True)
        self._workers.append((worker, ours))
        with without_interrupts():
            worker.start()
            theirs.close()

    def end(self) -> None:
        """End all, whatever they are at."""
        for worker, pipe in self._workers:
            pipe.close()
            if worker.pid is not None:
                worker.terminate()
                worker.join()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What ``function`` makes of each item, in order. A few items are given out at once, others as
        results are taken.

        Raises what ``function`` raised, and SetupError where a process died.
        """
        todo, under_way = iter(items), deque[int]()
        for place in range(GIVEN_AHEAD * len(self._workers)):
            self._give(place % len(self._workers), function, todo, under_way)
        return self._results(function, todo, under_way)

    def _give(
        self,
        place: int,
        function: Callable[[Item], Result],
        todo: Iterator[Item],
        under_way: deque[int],
    ) -> None:
        """The next item, if there is one, to the process at ``place``."""
        for item in todo:
            try:
                self._workers[place][1].send((function, item))
            except OSError:
                self._refuse(place)
            under_way.append(place)
            return

    def _results(
        self, function: Callable[[Item], Result], todo: Iterator[Item], under_way: deque[int]
    ) -> Iterator[Result]:
        while under_way:
            place = under_way.popleft()
            try:
                is_result, answer = self._workers[place][1].recv()
            except (EOFError, OSError):
                self._refuse(place)
            if not is_result:
                raise answer
            self._give(place, function, todo, under_way)
            yield answer

    def _refuse(self, place: int) -> NoReturn:
        raise ended_early(self._workers[place][0], self._what_for, "; run the same command again") from None


@contextmanager
def process_pool(
    count: int, what_for: str, begin: Callable[..., None] | None = None, *begins_with: object
) -> Iterator[Pool]:
    """A pool of ``count`` processes, in each of which ``begin`` runs first. They never see Ctrl-C, and end
    with the block. ``what_for`` says what they do, for an error: "judges captions"."""
    pool = Pool(what_for)
    try:
        for _ in range(count):
            pool.start(begin, begins_with)
        yield pool
    finally:
        pool.end()


def _work(pipe: Connection, begin: Callable[..., None] | None, begins_with: tuple[object, ...]) -> None:
    """In the process: answer each item. A thread reads ahead, so that the parent never waits to give one."""
    given: queue.SimpleQueue[tuple[Callable[[Any], object], object] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(pipe, given), daemon=True).start()
    if begin is not None:
        begin(*begins_with)
    while (task := given.get()) is not None:
        function, item = task
        try:
            answer = True, function(item)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = False, error
        try:
            pipe.send(answer)
        except OSError:  # the parent has gone
            return


def _read(pipe: Connection, given: queue.SimpleQueue[tuple[Callable[[Any], object], object] | None]) -> None:
    while True:
        try:
            given.put(pipe.recv())
        except (EOFError, OSError):
            given.put(None)
            return
        except Exception as error:  # of what can't be read: the parent has to know
            given.put((_fail, error))


def _fail(error: Exception) -> NoReturn:
    raise error
