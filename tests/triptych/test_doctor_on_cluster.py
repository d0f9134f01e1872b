"""`triptych doctor` examines a file system from every node of a cluster."""

from __future__ import annotations

from pathlib import Path

from tests.support.ray_nodes import RayNodes
from triptych.executors import ClusterConfig
from triptych.shared_folder.examine import every_node, examine_folder


def test_every_node_examines_the_file_system(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """The head and four others. The folder is empty afterwards."""
    with every_node(ClusterConfig(address=ray_nodes.address), tmp_path) as elsewhere:
        found = {each.name: (each.level, each.found) for each in examine_folder(tmp_path, elsewhere)}

    assert {"ok"} == {level for level, _ in found.values()}, found
    assert found["others"][1].startswith("5 tried it")
    assert "each of 200 names was created by one process" == found["create once"][1]
    assert [] == list(tmp_path.iterdir())
