"""One worker of a cluster as the driver sees it: an actor, what it has in hand, and why it ended.

Comes in: where it is to be, units for it. Goes out: its messages, noted. Not its job: what is in the actor's
process (see executors.actor_worker).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import ray

from triptych.errors import SetupError
from triptych.executors import Finished, Progressed
from triptych.executors.actor_worker import ActorWorker, SetUpDone, taken, triptych_version
from triptych.executors.desk import Crashed, Failed, Wanted, described
from triptych.executors.ray.nodes import Node

LOST_WITH_NODE = "was lost with its node"


class Actor:
    """One actor and what is known of it."""

    def __init__(
        self,
        name: str,
        node: Node,
        first: int,
        options: dict[str, Any],
        *arguments: Any,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """It is started with ``options`` of Ray's and with ``arguments`` of ActorWorker."""
        self.name, self.node, self._on_end = name, node, on_end
        self._handle: Any = _ACTOR_WORKER.options(max_concurrency=2, **options).remote(*arguments)
        self._first = first
        """What it is told as the number of the run's first unit."""
        self.units: set[int] = set()
        """Given to it in this run and not finished, by number."""
        self.wanted = 0
        self.is_ready = False
        self.crash: str | None = None
        """Why it ended, as the end of a sentence."""
        self.error: Exception | None = None
        """What it raised, where that is why."""

    def begin(self, first: int) -> None:
        """Another run: copies of units that others were first with, if it still has any, are nobody's."""
        self._first = first
        self.units.clear()

    def next_messages(self) -> Any:
        """A reference to those that it sends next."""
        return self._handle.messages.remote()

    def receive(self, reference: Any) -> list[object]:
        """The messages, noted. Sets ``crash`` where it has ended. Raises what no worker could avoid."""
        try:
            received: list[object] = ray.get(reference)
        except ray.exceptions.RayError as error:
            self.crash = _cause(error)
            return []
        messages = [message for each in received if (message := self._of_this_run(each)) is not None]
        for message in messages:
            match message:
                case SetUpDone(version):
                    self.is_ready = True
                    if version != triptych_version():
                        raise SetupError(
                            f"{self.node.host} has Triptych {version}, this machine {triptych_version()};"
                            " install the same on all nodes"
                        )
                case Wanted():
                    self.wanted += 1
                case Finished(number):
                    self.units.discard(number)
                case Crashed() | Failed(OSError()):  # a disk of that node, it may be
                    self.error = cast(Exception, message.error)
                    self.crash = described(message.error)
                case Failed(SetupError() as fault):
                    raise SetupError(f"{self.node.host}: {fault}", path=fault.path) from fault
                case Failed():
                    raise message.error
        return messages

    def _of_this_run(self, message: object) -> object | None:
        """The message with the number that its unit has in this run; None for one of an earlier run."""
        if not isinstance(message, Finished | Progressed):
            return message
        if message.number >= self._first:
            return message._replace(number=message.number - self._first)
        if isinstance(message, Finished):
            taken(message.result)
        return None

    def give(self, unit: tuple[int, Any]) -> None:
        """Hand out a unit. If the worker has just died, that is seen at the next message."""
        self.wanted -= 1
        self.units.add(unit[0])
        self._handle.give.remote(self._first + unit[0], unit[1])

    def end(self) -> None:
        """What it has in hand is lost."""
        with suppress(ray.exceptions.RayError):
            ray.kill(self._handle)
            self._on_end()


_ACTOR_WORKER = ray.remote(ActorWorker)


def _cause(error: Exception) -> str:
    """Why an actor ended, as the end of a sentence."""
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "was killed by Ray for want of memory"
    if "node has died" in str(error):
        return LOST_WITH_NODE
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "can't be reached any more"
    _, found, detail = str(error).partition("Worker exit detail: ")
    return f"died ({detail.split('. ')[0][:150]})" if found else f"died ({type(error).__name__})"
