"""Stands in for `lmdeploy serve api_server`, but takes its GPUs from Ray as lmdeploy's own code does.

    python -m triptych.executors.ray.placement_group tests.support.server_over_nodes \
        serve api_server MODEL --tp N ...

lmdeploy's RayContext finds or makes the placement group, and an actor is placed in each bundle, as lmdeploy's
executor does. The result is written to $LMDEPLOY_NOTES/placed. Then stand_in_server serves.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import ray
from lmdeploy.pytorch.ray import RayContext
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tests.support import stand_in_server


class Rank:
    """Stands in for lmdeploy's worker."""

    def where(self) -> tuple[str, int]:
        """Its node, and how many GPUs Ray assigned to it."""
        return ray.get_runtime_context().get_node_id(), len(ray.get_gpu_ids())


def main() -> None:
    """Write the result, then serve."""
    tp = int(sys.argv[sys.argv.index("--tp") + 1])
    context: Any = RayContext(tp, device_type="cuda")
    group = context.get_placement_group()
    ranks = [
        ray.remote(
            num_cpus=0,
            num_gpus=0.01,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, number),
        )(Rank).remote()
        for number in range(tp)
    ]
    noted = {
        "made_its_own": context.owned_pg,
        "ranks": ray.get([rank.where.remote() for rank in ranks], timeout=60),
        "listens_at": os.environ.get("LMDEPLOY_DIST_MASTER_ADDR"),
        "own_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "all"),
        "arguments": sys.argv[1:],
    }
    Path(os.environ["LMDEPLOY_NOTES"], "placed").write_text(json.dumps(noted))
    stand_in_server.main()


if __name__ == "__main__":
    main()
