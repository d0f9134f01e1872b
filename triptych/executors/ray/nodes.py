"""The nodes of a Ray cluster, and how many workers each has room for.

Comes in: a ClusterConfig. Goes out: nodes and numbers of workers. Not its job: starting workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from triptych.executors import ClusterConfig


class Node(NamedTuple):
    """A machine of the cluster."""

    id: str
    host: str
    resources: Mapping[str, float]

    @property
    def cpus(self) -> float:
        return self.resources.get("CPU", 0)

    @property
    def gpus(self) -> float:
        return self.resources.get("GPU", 0)


class Nodes:
    """The nodes that a config selects."""

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config

    def there(self) -> list[Node]:
        """The live nodes that have the wanted labels."""
        wanted = self.config.labels.items()
        return [
            Node(each["NodeID"], each["NodeManagerHostname"], each["Resources"])
            for each in ray.nodes()  # type: ignore[no-untyped-call]
            if each["Alive"] and wanted <= each["Labels"].items()
        ]

    def places(self, node: Node, gpus: float) -> int:
        """How many workers a node has room for."""
        room = node.cpus / self.config.cpus_per_worker
        if gpus:
            room = min(room, node.gpus / gpus)
        whole = int(room + 1e-6)  # 1 / 0.1 may be a little less than 10
        return whole if self.config.workers_per_node is None else min(whole, self.config.workers_per_node)

    def no_room(self, purpose: str, gpus: float) -> str:
        """The error message for a worker that no node has room for."""
        config = self.config
        wanted = f"{config.cpus_per_worker:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        labels = ", ".join(f"{key}={value}" for key, value in config.labels.items())
        nodes = [f"{node.host} ({node.cpus:g} CPUs, {node.gpus:g} GPUs)" for node in self.there()[:5]]
        return (
            f"no node of the cluster has room for a worker that {purpose}: expected {wanted}"
            f"{f' and the labels {labels}' if labels else ''}, found {', '.join(nodes) or 'no such node'};"
            " see cluster.cpus_per_worker, cluster.gpus_per_worker and cluster.labels"
        )


def only_on(node: Node) -> NodeAffinitySchedulingStrategy:
    """A strategy that runs on ``node`` or fails."""
    return NodeAffinitySchedulingStrategy(node.id, soft=False)
