"""Work spread over workers: one protocol for the processes of a machine, and for those of many.

Comes in: a set-up, which each worker runs once, and units of work. Goes out: small results, as they come; all
that is large goes through the run folder. A worker that dies is replaced and its units are given out again,
so a unit has to leave the same files whichever worker does it, and however often. Not its job: what the work
is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from triptych.errors import SetupError
from triptych.executors.config import ClusterConfig

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


class GivenUp(NamedTuple):
    """MAX_DEATHS workers died at a unit. It is not given out again; the others go on."""

    number: int
    lost: Lost
    """The last of them."""
    error: Exception
    """What the work raised, where that is why, else a WorkerDeathsError."""


Event = Finished | Progressed | Lost | GivenUp

AHEAD = 4
"""Units for each worker that are taken while an earlier one isn't finished, where results are wanted in
order."""

MAX_DEATHS = 3
"""Of workers that had the same unit: once can be bad luck."""


PLACED_GPUS = "TRIPTYCH_PLACED_GPUS"
"""In the environment of a worker whose GPUs are for a server that may span nodes: which they are."""


class WorkerDeathsError(SetupError):
    """Workers keep dying at the same unit."""


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

    def run(self, units: Iterable[Any], *, most_ahead: int | None = None) -> Iterator[Event]:
        """Have every one of ``units`` done, or given up. A few are taken ahead of what was finished, not all.
        ``most_ahead``: so many at most from the first one on that isn't finished, however slow that is.

        Raises what the work raised, where that is an error that no other worker could avoid; what a unit was
        given up for, where one was before and none has been finished since.
        """


class OpenExecutor(Protocol):
    """Opens an Executor: workers are started and set up on entering, and gone after leaving."""

    def __call__(
        self,
        names: Iterable[str],
        set_up: SetUp,
        *,
        purpose: str,
        ahead: int = 1,
        gpus: float = 0,
        across_nodes: bool = False,
        most: int | None = None,
    ) -> AbstractContextManager[Executor]:
        """``names`` are those of the workers, one each, such as devices; on a cluster there are as many
        workers as there is room for, and names come again. ``purpose`` says what they do, for messages:
        "embeds images". ``ahead``: units that a worker gets before it asks for them. ``gpus``: of a cluster's
        node, for each worker alone. ``across_nodes``: a server that the worker starts takes them through Ray,
        of one node or several, and finds them by $PLACED_GPUS. ``most``: so many workers of a cluster at
        most, spread over its nodes."""


class Cluster(Protocol):
    """Other machines that work for this run."""

    @property
    def config(self) -> ClusterConfig:
        """How they are used."""

    @property
    def open_executor(self) -> OpenExecutor:
        """Opens an Executor over them."""

    @property
    def has_gpus(self) -> bool:
        """Whether one of them has a GPU now."""

    @property
    def most_gpus(self) -> float:
        """How many the one with the most has now."""

    @property
    def room(self) -> int:
        """For how many workers without a GPU they have room now."""


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


def side_by_side(threads: int, work: Work) -> Work:
    """What ``work`` does, in so many threads. What one raises is raised, and the others are left behind."""

    def works(desk: Desk) -> None:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="unit")
        at_work = [pool.submit(work, desk) for _ in range(threads)]
        for ended in wait(at_work, return_when=FIRST_EXCEPTION).done:
            ended.result()

    return works


def in_order(executor: Executor, units: Iterable[Any]) -> Iterator[Any]:
    """The results of ``units`` in their order. Those that came early wait, AHEAD for each worker at most.

    Raises what a unit was given up for, when its turn comes.
    """
    waiting: dict[int, Finished | GivenUp] = {}
    due = 0
    for event in executor.run(units, most_ahead=AHEAD * max(executor.workers, 2)):
        if isinstance(event, Finished | GivenUp):
            waiting[event.number] = event
            while due in waiting:
                come = waiting.pop(due)
                if isinstance(come, GivenUp):
                    raise come.error
                yield come.result
                due += 1
