"""GPUs of several nodes for one worker: for a server that it starts and that distributes itself with Ray.

    python -m triptych.executors.ray.placement_group MODULE ARGUMENTS...

Comes in: how many GPUs; as a program, a module to run like ``python -m`` does, in a worker's environment.
Goes out: an actor with a placement group, which the module finds as the current one, as if it ran in an actor
of its own. lmdeploy's PyTorch engine is such a module. Not its job: the server's other arguments.
"""

from __future__ import annotations

import os
import runpy
import sys
import uuid
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from triptych.executors import PLACED_GPUS, ClusterConfig
from triptych.executors.ray.actor import Actor
from triptych.executors.ray.nodes import Node

SEVERAL_NODES = Node("", "several nodes", {})
"""Stands for the nodes of a worker whose GPUs Ray chooses."""


class GpuPlacementGroup:
    """A placement group: a bundle per GPU, packed on few nodes; the first also has the worker's CPUs."""

    def __init__(self, config: ClusterConfig, gpus: int) -> None:
        self._cpus, self._name = config.cpus_per_worker, uuid.uuid4().hex
        bundles = [{"GPU": 1.0} for _ in range(gpus)]
        bundles[0]["CPU"] = self._cpus
        self._group = ray.util.placement_group(
            bundles, strategy="PACK", name=self._name, bundle_label_selector=[config.labels] * gpus
        )

    def actor(self, name: str, first: int, *arguments: Any) -> Actor:
        """Start a worker in the first bundle, as soon as there is room. It uses no GPU itself."""
        at = ray.get_runtime_context()
        options = {
            "num_cpus": self._cpus,
            "num_gpus": 0,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(self._group, 0),
        }
        environment = {PLACED_GPUS: f"{at.gcs_address} {at.namespace} {self._name}"}
        return Actor(name, SEVERAL_NODES, first, options, *arguments, environment, on_end=self._release)

    def _release(self) -> None:
        ray.util.remove_placement_group(self._group)


def main() -> None:
    """Join the worker's cluster and run the module with the worker's GPUs."""
    address, namespace, name = os.environ[PLACED_GPUS].split()
    ray.init(address=address, namespace=namespace)
    group = ray.util.get_placement_group(name)
    ray.util.get_current_placement_group = lambda: group
    # Rank 0 listens here. By default lmdeploy takes the cluster's head node, which may have no GPU.
    os.environ["LMDEPLOY_DIST_MASTER_ADDR"] = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
