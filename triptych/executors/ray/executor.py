"""The executor of a Ray cluster: actors, pinned to its nodes.

Comes in: names of workers, a set-up, units. Goes out: events. There are as many workers as the nodes have
room for: nodes that join get workers, and those of a node that leaves are lost. Each worker writes files
under names of its own, and the driver alone reads or renames them, once they are reported; reports of a
worker that was declared dead are ignored. Not its job: the work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Self

import ray

from triptych.errors import SetupError
from triptych.executors import MAX_DEATHS, Event, Finished, Lost, Progressed, SetUp, WorkerDeathsError
from triptych.executors.actor_worker import store
from triptych.executors.ray.actor import LOST_WITH_NODE, Actor
from triptych.executors.ray.nodes import Node, Nodes, only_on
from triptych.executors.ray.placement_group import SEVERAL_NODES, GpuPlacementGroup
from triptych.executors.units import Units

NODES_EVERY_S = 2.0
"""How often the driver looks for new nodes."""

COPY_AFTER_S = 5.0
"""A slow unit isn't given to a second worker before. Less gains nothing."""

REPORT_WAITING_AFTER_S = 30.0

NUMBERS_PER_RUN = 2**40
"""More than any run has units."""


class RayExecutor:
    """Actors on the nodes of a cluster. A context manager, as LocalExecutor is."""

    def __init__(
        self,
        nodes: Nodes,
        names: Sequence[str],
        set_up: SetUp,
        purpose: str,
        ahead: int,
        gpus: float,
        across_nodes: bool,
        most: int | None,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._nodes, self._names, self._set_up, self._purpose = nodes, names, set_up, purpose
        self._ahead, self._gpus, self._folder, self._say = ahead, gpus, folder, say
        self._across_nodes, self._most = across_nodes, most
        self._workers: dict[Any, Actor] = {}
        """Workers, by the reference to their next messages."""
        self._deaths: Counter[str] = Counter()
        """By the node's id: workers in a row that died without a unit. With MAX_DEATHS it gets no more."""
        self._started = 0
        self._first = 0
        """The number that workers get for the run's first unit. No two runs have the same numbers."""
        self._looked_at = self._had_one_at = float("-inf")

    @property
    def workers(self) -> int:
        return len(self._workers)

    def __enter__(self) -> Self:
        """Start workers wherever there is room, and wait until the first is set up. Raises what a set-up
        raised until then."""
        self._stored_set_up = store(self._folder, self._set_up)
        self._had_one_at = time.monotonic()
        try:
            if not self._staff():
                raise SetupError(self._nodes.no_room(self._purpose, self._gpus))
            while not any(worker.is_ready for worker in self._workers.values()):
                self._staff()
                for worker, message in self._messages():
                    if message is None:
                        self._deaths[worker.node.id] += 1
                        if worker.error or self._deaths[worker.node.id] >= MAX_DEATHS:
                            end = f"a worker that {self._purpose} on {worker.node.host} {worker.crash}"
                            raise worker.error or SetupError(f"{end} before it had begun, as two did before")
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end_all()

    def run(self, units: Iterable[Any], *, most_ahead: int | None = None) -> Iterator[Event]:
        """See Executor."""
        stored = (store(self._folder, unit) for unit in units)
        left = Units(stored, copy_after_s=COPY_AFTER_S, most_ahead=most_ahead)
        self._first += NUMBERS_PER_RUN
        for worker in self._workers.values():
            worker.begin(self._first)
        while left.give_out(self._workers.values()):
            self._staff()
            for worker, message in self._messages():
                if message is None:
                    yield from self._lost(worker, left)
                elif isinstance(message, Finished):
                    self._deaths[worker.node.id] = 0
                    done = left.finish(message.number)
                    result = message.result.take()
                    if done is not None:
                        if done.is_nowhere_else:
                            done.unit.remove()
                        yield Finished(message.number, result)
                elif isinstance(message, Progressed) and left.is_open(message.number):
                    yield message

    def _lost(self, worker: Actor, left: Units) -> Iterator[Event]:
        node = worker.node
        lost = Lost(f"{worker.name} on {node.host}", tuple(sorted(worker.units)), worker.crash or "")
        error = worker.error or WorkerDeathsError(
            f"a worker that {self._purpose} on {node.host} {worker.crash}, as two did before at the same"
            " work; remove the cause and run the same command: it resumes, and finished work is kept"
        )
        yield lost
        has_left = worker.crash == LOST_WITH_NODE or (
            node != SEVERAL_NODES and all(each.id != node.id for each in self._nodes.there())
        )
        yield from left.lose(lost, error, is_blamed=not has_left)
        self._deaths[node.id] += not worker.units
        if self._deaths[node.id] >= MAX_DEATHS and not has_left:
            self._say(f"cluster: {node.host} gets no more work: a worker that {self._purpose} {worker.crash}")
            if not self._workers and not self._staff(now=True):
                raise error

    def _messages(self) -> Iterator[tuple[Actor, Any]]:
        """New messages of all workers; None is the last of a worker that has ended."""
        references = list(self._workers)
        if not references:
            time.sleep(NODES_EVERY_S)
        elif ray.wait(references, timeout=NODES_EVERY_S)[0]:
            for reference in ray.wait(references, num_returns=len(references), timeout=0)[0]:
                worker = self._workers.pop(reference)
                try:
                    messages = worker.receive(reference)
                except BaseException:
                    worker.end()
                    raise
                if worker.crash is None:
                    self._workers[worker.next_messages()] = worker
                else:
                    worker.end()
                    messages.append(None)
                yield from ((worker, message) for message in messages)

    def _staff(self, *, now: bool = False) -> int:
        """Start workers where there is room, at most every NODES_EVERY_S unless ``now``. Returns how many
        there are."""
        if not now and time.monotonic() - self._looked_at < NODES_EVERY_S:
            return len(self._workers)
        self._looked_at = time.monotonic()
        left = None if self._most is None else max(0, self._most - len(self._workers))
        for node in islice(self._free_places(), left):
            worker = self._start(node)
            self._workers[worker.next_messages()] = worker
        if any(worker.is_ready for worker in self._workers.values()):
            self._had_one_at = self._looked_at
        elif self._looked_at - self._had_one_at > REPORT_WAITING_AFTER_S:
            self._had_one_at = self._looked_at
            others = "" if not self._workers else " (something else may have taken it)"
            self._say(f"cluster: waiting for room for a worker that {self._purpose}{others}")
        return len(self._workers)

    def _free_places(self) -> Iterator[Node]:
        """A node for each worker that could be started, in turns over the nodes."""
        workers_by_node = Counter(worker.node.id for worker in self._workers.values())
        nodes = self._nodes.there()
        if self._across_nodes:
            places = [(SEVERAL_NODES, int(sum(node.gpus for node in nodes) / self._gpus))]
        else:
            places = [(node, self._nodes.places(node, self._gpus)) for node in nodes]
        free = [
            [node] * (count - workers_by_node[node.id])
            for node, count in places
            if self._deaths[node.id] < MAX_DEATHS
        ]
        for turn in zip_longest(*free):
            yield from filter(None, turn)

    def _start(self, node: Node) -> Actor:
        name = self._names[self._started % len(self._names)]
        self._started += 1
        arguments = (self._stored_set_up, name, self._ahead, str(self._folder))
        if node == SEVERAL_NODES:
            group = GpuPlacementGroup(self._nodes.config, round(self._gpus))
            return group.actor(name, self._first, *arguments)
        options = {
            "num_cpus": self._nodes.config.cpus_per_worker,
            "num_gpus": self._gpus,
            "scheduling_strategy": only_on(node),
        }
        return Actor(name, node, self._first, options, *arguments)

    def _end_all(self) -> None:
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()
