"""A worker of a cluster as the driver sees it: an actor, its units, and why it ended.

Comes in: Ray's options for the actor, units for it. Goes out: its messages. Not its job: what runs in the
actor's process (see executors.actor_worker).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import ray

from triptych.errors import SetupError
from triptych.executors import Finished, Progressed
from triptych.executors.actor_worker import ActorWorker, SetUpDone, triptych_version
from triptych.executors.channel import Crashed, Failed, Wanted, described
from triptych.executors.ray.nodes import Node
from triptych.executors.units import Worker

LOST_WITH_NODE = "was lost with its node"


class Actor(Worker):
    """One actor, as the driver sees it."""

    def __init__(
        self,
        name: str,
        node: Node,
        first: int,
        options: dict[str, Any],
        *arguments: Any,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the actor with Ray's ``options`` and ActorWorker's ``arguments``."""
        super().__init__(name)
        self.node, self._on_end = node, on_end
        self._handle: Any = _ACTOR_WORKER.options(max_concurrency=2, **options).remote(*arguments)
        self._first = first
        """The number it gets for the run's first unit."""

    def begin(self, first: int) -> None:
        """Begin another run. Unfinished copies of the last run's units, if any, no longer count."""
        self._first = first
        self.units.clear()

    def next_messages(self) -> Any:
        """A reference to the messages it sends next."""
        return self._handle.messages.remote()

    def receive(self, reference: Any) -> list[object]:
        """Get and note its messages. Sets ``crash`` if it has ended. Raises errors that every worker would
        meet."""
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
                case Crashed() | Failed(OSError()):  # an OSError may be of that node's disk
                    self.error = cast(Exception, message.error)
                    self.crash = described(message.error)
                case Failed(SetupError() as fault):
                    raise SetupError(f"{self.node.host}: {fault}", path=fault.path) from fault
                case Failed():
                    raise message.error
        return messages

    def _of_this_run(self, message: object) -> object | None:
        """The message, with the unit's number in this run; None if it is of an earlier run."""
        if not isinstance(message, Finished | Progressed):
            return message
        if message.number >= self._first:
            return message._replace(number=message.number - self._first)
        if isinstance(message, Finished):
            message.result.take()
        return None

    def _send(self, number: int, unit: Any) -> None:
        self._handle.give.remote(self._first + number, unit)

    def end(self) -> None:
        """Kill the actor. Unfinished units are lost."""
        with suppress(ray.exceptions.RayError):
            ray.kill(self._handle)
            self._on_end()


_ACTOR_WORKER = ray.remote(ActorWorker)


def _cause(error: Exception) -> str:
    """Why an actor ended, as the end of a sentence."""
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "was killed by Ray because the node ran out of memory"
    if "node has died" in str(error):
        return LOST_WITH_NODE
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "can't be reached any more"
    _, found, detail = str(error).partition("Worker exit detail: ")
    return f"died ({detail.split('. ')[0][:150]})" if found else f"died ({type(error).__name__})"
