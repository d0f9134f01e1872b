"""A server that uses GPUs of several nodes: lmdeploy's own placement, on nodes with simulated GPUs."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray

from tests.support.processes import until
from tests.support.ray_nodes import RayNodes
from triptych.captioning.engines import RequestLimits
from triptych.captioning.lmdeploy import command
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.executors import PerUnit, in_order

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lmdeploy") is None, reason="lmdeploy is not installed"
)

POOL = {"pool": "two-gpus"}


@pytest.fixture
def gpu_nodes(ray_nodes: RayNodes) -> Iterator[set[str]]:
    """The ids of two nodes with one GPU each."""
    for _ in range(2):
        ray_nodes.add(num_gpus=1, labels=POOL)
    assert until(lambda: len(_with_gpus()) == 2)
    yield _with_gpus()
    for _ in range(2):
        ray_nodes.remove(-1)


def _with_gpus() -> set[str]:
    return {
        node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Labels"].items() >= POOL.items()
    }


def serves(notes: Path, name: str) -> Callable[[str], str]:
    """The set-up of a worker whose server has two GPUs."""
    from triptych.captioning.lmdeploy.engine import LmdeployEngine

    os.environ["LMDEPLOY_NOTES"] = str(notes)
    command.SERVE = ("-m", "tests.support.server_over_nodes", "serve", "api_server")
    limits = RequestLimits(max_in_flight=4)
    engine = LmdeployEngine("some/model", LmdeployConfig(backend="pytorch", tp=2), limits, notes, print)
    return lambda unit: engine.describe()


def test_a_server_uses_gpus_of_two_nodes(ray_nodes: RayNodes, gpu_nodes: set[str], tmp_path: Path) -> None:
    """lmdeploy finds the existing placement group, and creates none. The GPUs are free afterwards."""
    with (
        ray_nodes.open(tmp_path / "shared", labels=POOL, cpus_per_worker=0.5) as cluster,
        cluster.open_executor(
            "a", PerUnit(partial(serves, tmp_path)), purpose="captions", gpus=2, across_nodes=True
        ) as executor,
    ):
        assert 1 == executor.workers
        (described,) = in_order(executor, ["ask"])
    placed = json.loads((tmp_path / "placed").read_text())

    assert "lmdeploy (pytorch) started here" in described
    assert not placed["made_its_own"]
    assert gpu_nodes == {node for node, _ in placed["ranks"]}
    assert [1, 1] == [gpus for _, gpus in placed["ranks"]]
    assert ray.util.get_node_ip_address() == placed["listens_at"]
    assert "all" == placed["own_gpus"]
    assert ["serve", "api_server", "some/model"] == placed["arguments"][:3]
    assert until(lambda: ray.available_resources().get("GPU", 0) == 2)
