"""Four nodes of a Ray cluster on this machine, each with its own raylet and workers.

Comes in: nothing. Goes out: the value of the fixture ``ray_nodes``, whose ``open`` gives a RayCluster on the
nodes. Ray takes some ten seconds to start on two cores, and a process can be in one cluster only. So all
tests of a process share the nodes, and a test that removes a node adds one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ray
from ray.cluster_utils import Cluster

from tests.crash.engine import ASKED
from tests.support.slow_marks import DIES_OF
from triptych.executors import ClusterConfig
from triptych.executors.ray import RayCluster

NODES = 4


class RayNodes:
    """A head without work, and nodes with ``cpus`` CPUs each. Their workers have ``environment`` in addition
    to this process's."""

    def __init__(
        self, workers: int = NODES, cpus: int = 1, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self.environment = {**environment, "PYTHONPATH": path}
        self._cpus = cpus
        self._cluster: Any = Cluster(
            initialize_head=True,
            shutdown_at_exit=False,
            head_node_args={"num_cpus": 0, "include_dashboard": False, **_SMALL},
        )
        self.workers: list[Any] = []
        for _ in range(workers):
            self.add()
        ray.init(address=self.address, log_to_driver=False, logging_level="CRITICAL")

    @property
    def address(self) -> str:
        """The cluster's address, once all nodes are up: an earlier test may just have added one."""
        self._cluster.wait_for_nodes()
        return str(self._cluster.address)

    def add(self, **options: Any) -> None:
        """Add a node."""
        options = {"num_cpus": self._cpus, "env_vars": self.environment, **_SMALL, **options}
        self.workers.append(self._cluster.add_node(wait=False, **options))

    def remove(self, number: int = 0) -> None:
        """Remove a node and its work: the oldest, or with -1 the newest."""
        self._cluster.remove_node(self.workers.pop(number), allow_graceful=False)

    def swap(self) -> None:
        """Remove the oldest node, and add one."""
        self.remove()
        self.add()

    def kill_worker(self) -> None:
        """Kill the process of one actor with SIGKILL."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self.workers}
        actors = [pid for pid in _processes() if _parent(pid) in raylets and b"ActorWorker" in _title(pid)]
        os.kill(actors[0], signal.SIGKILL)

    @contextlib.contextmanager
    def open(self, folder: Path, **settings: Any) -> Iterator[RayCluster]:
        """A cluster with ``settings``. Its messages are printed."""
        cluster = RayCluster(ClusterConfig(address=self.address, **settings), folder, print)
        try:
            yield cluster
        finally:
            cluster.close()

    def shut_down(self) -> None:
        """Stop all nodes."""
        ray.shutdown()
        self._cluster.shutdown()
        with warnings.catch_warnings():  # Ray doesn't wait for all processes that it has ended
            warnings.simplefilter("ignore", ResourceWarning)
            self.workers.clear()
            self._cluster = None
            gc.collect()


def _processes() -> list[int]:
    return sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


def _title(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


_SMALL = {"object_store_memory": 80 * 2**20}


def running(folder: Path) -> Iterator[RayNodes]:
    """Run nodes until the generator is closed. Their ``environment`` names two files in ``folder``: one in
    which engines note their requests, and one with the requests of which they die."""
    files = {name: folder / name for name in (ASKED, DIES_OF)}
    for file in files.values():
        file.touch()
    nodes = RayNodes(environment={name: str(file) for name, file in files.items()})
    yield nodes
    nodes.shut_down()
