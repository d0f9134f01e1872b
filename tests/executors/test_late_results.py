"""Several runs of one executor on a cluster, while a worker still has a copy of a finished unit."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.ray_nodes import RayNodes
from triptych.executors import PerUnit, in_order


def one_is_late(folder: Path, name: str) -> Callable[[str], str]:
    """The first worker with the unit ``slow`` finishes it only in the next run, whose units wait for that."""

    def work(unit: str) -> str:
        if unit == "slow":
            try:
                (folder / "begun").touch(exist_ok=False)
            except FileExistsError:
                return unit
            while not (folder / "next").exists():
                time.sleep(0.05)
            (folder / "late").touch()
        elif unit.startswith("next"):
            while not (folder / "late").exists():
                time.sleep(0.05)
            time.sleep(0.5)
        return unit

    return work


def test_a_late_result_is_not_taken_for_one_of_the_next_run(
    ray_nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has finished the unit before. The next run has a unit with the same number."""
    monkeypatch.setattr("triptych.executors.ray.executor.COPY_AFTER_S", 0.2)
    following = [f"next {number}" for number in range(12)]
    with ray_nodes.open(tmp_path / "cluster") as cluster:
        set_up = PerUnit(partial(one_is_late, tmp_path))
        with cluster.open_executor("abcd", set_up, purpose="is late") as executor:
            first = list(in_order(executor, ["quick", "quick", "quick", "quick", "slow"]))
            (tmp_path / "next").touch()
            second = list(in_order(executor, following))

    assert ["quick"] * 4 + ["slow"] == first
    assert following == second
