"""Work spread over workers: one protocol for the processes of a machine, and for those of many.

Comes in: a set-up, which each worker runs once, and units of work. Goes out: small results, as they come; all
that is large goes through the run folder. A worker that dies is replaced and its units are given out again,
so a unit has to leave the same files whichever worker does it, and however often. Not its job: what the work
is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from triptych.errors import SetupError

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Finished(NamedTuple):
    """A unit is done."""

    number: int
    """Of the unit, from 0, in the order in which units were taken."""
    result: Any


class Progressed(NamedTuple):
    """A unit is under way."""

    number: int
    message: Any


class Lost(NamedTuple):
    """A worker died. Its units are given out again; progress that they had reported no longer counts."""

    worker: str
    numbers: tuple[int, ...]
    why: str


Event = Finished | Progressed | Lost


class WorkerDeathsError(SetupError):
    """Workers keep dying at the same units. ``lost`` is the last of them."""

    def __init__(self, message: str, lost: Lost) -> None:
        super().__init__(message)
        self.lost = lost


class Desk(Protocol):
    """What a worker's work is given: where units come from and results go. Thread-safe."""

    def units(self) -> Iterator[tuple[int, Any]]:
        """Numbered units, each asked for when the iterator is advanced. It ends when there are no more."""

    def progress(self, number: int, message: Any) -> None:
        """Report how far unit ``number`` is."""

    def finish(self, number: int, result: Any = None) -> None:
        """Hand in what came of unit ``number``."""


Work = Callable[[Desk], None]
"""Does units until there are no more. May have several in hand, as a pipeline has."""

SetUp = Callable[[str], Work]
"""Run once in each worker, with the worker's name; a model is loaded here. Pickled, so it must be small."""


class Executor(Protocol):
    """Workers that are set up and wait for units."""

    @property
    def workers(self) -> int:
        """How many units are under way at a time, at most."""

    def run(self, units: Iterable[Any]) -> Iterator[Event]:
        """Have every one of ``units`` done. A few are taken ahead of what was finished, never all.

        Raises what the work raised, where that is an error that no other worker could avoid, and
        WorkerDeathsError where workers keep dying at a unit.
        """


class OpenExecutor(Protocol):
    """Opens an Executor: workers are started and set up on entering, and gone after leaving."""

    def __call__(
        self, names: Iterable[str], set_up: SetUp, *, purpose: str, ahead: int = 1
    ) -> AbstractContextManager[Executor]:
        """``names`` are those of the workers, one each, such as devices. ``purpose`` says what they do, for
        messages: "embeds images". ``ahead``: units that a worker gets before it asks for them."""


class Each(Generic[Unit, Result]):
    """A set-up for work that does one unit after the other: ``make(name)`` is run once in each worker and
    returns a function from a unit to its result."""

    def __init__(self, make: Callable[[str], Callable[[Unit], Result]]) -> None:
        self._make = make

    def __call__(self, name: str) -> Work:
        function = self._make(name)

        def work(desk: Desk) -> None:
            for number, unit in desk.units():
                desk.finish(number, function(unit))

        return work


def in_order(executor: Executor, units: Iterable[Any]) -> Iterator[Any]:
    """The results of ``units`` in their order. Those that came early wait, a few for each worker."""
    waiting: dict[int, Any] = {}
    due = 0
    for event in executor.run(units):
        if isinstance(event, Finished):
            waiting[event.number] = event.result
            while due in waiting:
                yield waiting.pop(due)
                due += 1
