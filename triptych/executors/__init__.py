"""The protocol of executors: they spread units of work over processes of one machine or of a cluster.

Comes in: a set-up, which each worker runs once, and units of work. Goes out: small results, as they finish;
anything large goes through the run folder. A dead worker is replaced and its units are handed out again, so a
unit has to leave the same files whichever worker does it, and however often. Not its job: what the work is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from triptych.errors import SetupError, UsageError, expect_fields

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Finished(NamedTuple):
    """A unit is done."""

    number: int
    """The unit's number, from 0, in the order in which units were taken."""
    result: Any


class Progressed(NamedTuple):
    """A worker reports progress on a unit."""

    number: int
    message: Any


class Lost(NamedTuple):
    """A worker died. Its units are handed out again; progress reported on them no longer counts."""

    worker: str
    numbers: tuple[int, ...]
    why: str


class GivenUp(NamedTuple):
    """MAX_DEATHS workers died while they had this unit. It isn't tried again; the other units are."""

    number: int
    lost: Lost
    """The last death."""
    error: Exception
    """What the work raised, or a WorkerDeathsError if the worker just died."""


Event = Finished | Progressed | Lost | GivenUp

AHEAD = 4
"""When results are wanted in order: units per worker that may be taken while an earlier one is unfinished."""

MAX_DEATHS = 3
"""Deaths after which a unit is given up: a single one can be bad luck."""

PLACED_GPUS = "TRIPTYCH_PLACED_GPUS"
"""Environment variable that names the GPUs reserved for a worker's server, which may span nodes."""


class WorkerDeathsError(SetupError):
    """Several workers died at the same unit."""


class Channel(Protocol):
    """A worker's connection to its executor: units come from it, results go into it. Thread-safe."""

    def units(self) -> Iterator[tuple[int, Any]]:
        """Numbered units. Advancing the iterator requests one; it ends when there are no more."""

    def progress(self, number: int, message: Any) -> None:
        """Report progress on unit ``number``."""

    def finish(self, number: int, result: Any = None) -> None:
        """Report the result of unit ``number``."""


Work = Callable[[Channel], None]
"""Does units until there are no more. May work on several at once, as a pipeline does."""

SetUp = Callable[[str], Work]
"""Called once in each worker, with the worker's name; loads a model, for example. It is pickled, so it must
be small."""


class Executor(Protocol):
    """Workers that are set up and wait for units."""

    @property
    def workers(self) -> int:
        """The number of workers."""

    def run(self, units: Iterable[Any], *, most_ahead: int | None = None) -> Iterator[Event]:
        """Do all ``units``, or give them up. Only a few are taken from the iterable in advance.
        ``most_ahead`` limits how many are taken after the first unfinished one, however slow that is.

        Raises an error of the work that no other worker could avoid. Also raises the error of a unit that is
        given up if the unit that ended before it was given up, too.
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
        """``names``: one per worker, such as devices; on a cluster there are as many workers as there is room
        for, and names repeat. ``purpose``: what a worker does, for messages: "embeds images". ``ahead``:
        units that a worker gets before it needs them. The rest is for clusters. ``gpus``: how many each
        worker has to itself. ``across_nodes``: the GPUs may be on several nodes; a server that the worker
        starts uses them through Ray and finds them by $PLACED_GPUS. ``most``: the largest number of
        workers."""


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the nodes of a Ray cluster are used. Raises UsageError for impossible values."""

    address: str = ""
    """``auto``, or where the head node of the cluster is (HOST:PORT). Empty: this machine alone. It counts
    for one command."""
    workers_per_node: int | None = None
    """At most; None: as many as a node's resources allow."""
    cpus_per_worker: float = 1.0
    """What a worker takes of its node, and how many threads it decodes in."""
    gpus_per_worker: float = 1.0
    """What a worker that embeds takes, where there are GPUs: 0.5 puts two on each."""
    labels: dict[str, str] = {}
    """Only nodes that have all of these labels (`ray start --labels`)."""

    def __post_init__(self) -> None:
        expect_fields(self, "cluster")
        if self.workers_per_node is not None and self.workers_per_node < 1:
            raise UsageError(f"cluster.workers_per_node is {self.workers_per_node}; expected 1 or more")
        for name in ("cpus_per_worker", "gpus_per_worker"):
            if getattr(self, name) <= 0:
                raise UsageError(f"cluster.{name} is {getattr(self, name)}; expected more than 0")


class Cluster(Protocol):
    """The machines that work on this run."""

    @property
    def config(self) -> ClusterConfig:
        """Its settings."""

    @property
    def open_executor(self) -> OpenExecutor:
        """Opens an Executor on it."""

    @property
    def has_gpus(self) -> bool:
        """Whether some node has GPUs for a worker now."""

    @property
    def most_gpus(self) -> float:
        """The number of GPUs of the node that has the most now."""

    @property
    def room(self) -> int:
        """How many workers without GPUs fit now."""


class PerUnit(Generic[Unit, Result]):
    """A SetUp for work on one unit at a time: ``make(name)`` is called once in each worker and returns a
    function from a unit to its result."""

    def __init__(self, make: Callable[[str], Callable[[Unit], Result]]) -> None:
        self._make = make

    def __call__(self, name: str) -> Work:
        function = self._make(name)

        def work(channel: Channel) -> None:
            for number, unit in channel.units():
                channel.finish(number, function(unit))

        return work


def in_threads(threads: int, work: Work) -> Work:
    """``work`` in several threads. If one raises, its error is raised without waiting for the others."""

    def run(channel: Channel) -> None:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="unit")
        futures = [pool.submit(work, channel) for _ in range(threads)]
        for ended in wait(futures, return_when=FIRST_EXCEPTION).done:
            ended.result()

    return run


def in_order(executor: Executor, units: Iterable[Any]) -> Iterator[Any]:
    """The results of ``units``, in their order. Results that come early are buffered, up to AHEAD per worker.

    Raises the error of a unit that was given up, when its turn comes.
    """
    waiting: dict[int, Finished | GivenUp] = {}
    due = 0
    for event in executor.run(units, most_ahead=AHEAD * max(executor.workers, 2)):
        if isinstance(event, Finished | GivenUp):
            waiting[event.number] = event
            while due in waiting:
                ended = waiting.pop(due)
                if isinstance(ended, GivenUp):
                    raise ended.error
                yield ended.result
                due += 1
