"""A Ray cluster, and an executor on its nodes. Nothing else imports Ray.

Comes in: a ClusterConfig, a folder that all nodes share. Goes out: a RayCluster. Messages between machines
have a few bytes; anything larger goes through that folder, nothing through Ray's object store. Not its job:
which node has room (see nodes), workers and units (see executor, actor), servers that span nodes (see
placement_group).
"""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import ray

from triptych.errors import SetupError, UsageError
from triptych.executors import ClusterConfig, SetUp
from triptych.executors.actor_worker import DRIVER
from triptych.executors.ray.executor import RayExecutor
from triptych.executors.ray.nodes import Nodes, only_on

CONNECTS_WITHIN_S = 10.0

ANSWERS_WITHIN_S = 60.0
"""How long a node may take for a small task."""


class RayCluster:
    """The nodes that match a config. Connected from the start until it is closed."""

    def __init__(self, config: ClusterConfig, folder: Path, say: Callable[[str], None]) -> None:
        """``folder`` is on the file system that all nodes share; its content is deleted, now and at the end.
        ``say`` shows a line to the user.

        Raises UsageError or SetupError if there is no such cluster.
        """
        self.config = config
        self._nodes, self._folder, self._say = Nodes(config), folder.absolute(), say
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _connect(config.address)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        (self._folder / DRIVER).write_text(socket.gethostname())

    def close(self) -> None:
        """Disconnect. The cluster itself keeps running."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._is_ours:
            ray.shutdown()

    @property
    def has_gpus(self) -> bool:
        return self.most_gpus >= self.config.gpus_per_worker

    @property
    def most_gpus(self) -> float:
        return max((node.gpus for node in self._nodes.there()), default=0)

    @property
    def room(self) -> int:
        return sum(self._nodes.places(node, 0) for node in self._nodes.there())

    def on_each_node(self, function: Callable[..., Any], *arguments: Any) -> list[tuple[str, Any, str]]:
        """Call a function once on every node, in parallel. Returns a host, result and error for each; the
        error is empty if there is a result."""
        tasks = [
            (node.host, _CALLED.options(scheduling_strategy=only_on(node)).remote(function, *arguments))
            for node in self._nodes.there()
        ]
        answers: list[tuple[str, Any, str]] = []
        for host, task in tasks:
            try:
                answers.append((host, ray.get(task, timeout=ANSWERS_WITHIN_S), ""))
            except ray.exceptions.RayError as error:
                answers.append((host, None, " ".join(str(error).split())[-200:]))
        return answers

    def open_executor(
        self,
        names: Iterable[str],
        set_up: SetUp,
        *,
        purpose: str,
        ahead: int = 1,
        gpus: float = 0,
        across_nodes: bool = False,
        most: int | None = None,
    ) -> AbstractContextManager[RayExecutor]:
        """See OpenExecutor."""
        names, folder = list(names), self._folder
        return RayExecutor(
            self._nodes, names, set_up, purpose, ahead, gpus, across_nodes, most, folder, self._say
        )


def _connect(address: str) -> None:
    if "://" in address:
        raise UsageError(
            f"--cluster {address}: expected auto, or HOST:PORT of the head node. Run the command on a machine"
            " of the cluster, which shares the run's file system with the others"
        )
    host, _, port = address.rpartition(":")
    try:
        if host:  # Ray itself takes minutes to notice that nobody listens
            socket.create_connection((host, int(port)), CONNECTS_WITHIN_S).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # Ray has no exception class of its own for this
        reason = " ".join(str(error).split())[:200]
        raise SetupError(
            f"--cluster {address}: no Ray cluster can be joined there ({reason}); start one with"
            " `ray start --head`, and `ray start --address=HOST:PORT` on the other machines"
        ) from None


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_CALLED = ray.remote(num_cpus=0, max_retries=0)(_called)
