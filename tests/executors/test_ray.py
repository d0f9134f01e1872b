"""The executor on Ray: how it uses a cluster, and one-line errors about what a cluster lacks."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from tests.support.ray_nodes import RayNodes
from triptych.errors import SetupError
from triptych.executors import PerUnit, in_order
from triptych.executors.actor_worker import DRIVER


def returns_node(name: str) -> Callable[[float], str]:
    def on(seconds: float) -> str:
        time.sleep(seconds)
        return str(ray.get_runtime_context().get_node_id())

    return on


def repeats(name: str) -> Callable[[bytes], bytes]:
    return lambda content: content


def test_large_units_and_results_go_through_the_shared_folder(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """Their files are removed."""
    large = [b"x" * 1_000_000] * 6
    with (
        ray_nodes.open(tmp_path / "shared") as cluster,
        cluster.open_executor("a", PerUnit(repeats), purpose="repeats") as executor,
    ):
        results = in_order(executor, large)
        first = next(results)
        assert [*tmp_path.glob("shared/*.pickle")]
        assert large == [first, *results]
        assert len([*tmp_path.glob("shared/*.pickle")]) < len(large)  # the set-up and copied units
    assert not (tmp_path / "shared").exists()


def test_workers_are_limited_and_spread_over_nodes(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """With a limit of two, there are two, on different nodes."""
    with (
        ray_nodes.open(tmp_path / "shared", cpus_per_worker=0.25) as cluster,
        cluster.open_executor("a", PerUnit(returns_node), purpose="says where", most=2) as executor,
    ):
        assert 16 == cluster.room
        assert 2 == len(set(in_order(executor, [0.5] * 6)))
        assert 2 == executor.workers


def test_missing_labels_or_room_are_named(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """Before any worker is started."""
    for settings, expected in (
        ({"labels": {"pool": "gpu"}}, "expected 1 CPUs and the labels pool=gpu, found no such node"),
        ({"cpus_per_worker": 64.0}, r"expected 64 CPUs, found .*\(1 CPUs, 0 GPUs\)"),
    ):
        with (
            ray_nodes.open(tmp_path / "shared", **settings) as cluster,
            pytest.raises(SetupError, match=f"room for a worker that repeats: {expected}"),
            cluster.open_executor("a", PerUnit(repeats), purpose="repeats"),
        ):
            raise AssertionError("entered")


def test_a_node_that_does_not_share_the_folder_is_named(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """For example, if another disk is mounted there."""
    with ray_nodes.open(tmp_path / "shared") as cluster:
        (tmp_path / "shared" / DRIVER).unlink()
        with (
            pytest.raises(SetupError, match=r": .* is not the run's folder here; expected a file system"),
            cluster.open_executor("a", PerUnit(repeats), purpose="repeats"),
        ):
            raise AssertionError("entered")


def test_a_node_with_another_version_of_triptych_is_named(
    ray_nodes: RayNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triptych.executors.ray.actor.triptych_version", lambda: "0.0.0")
    with (
        ray_nodes.open(tmp_path / "shared") as cluster,
        pytest.raises(SetupError, match=r"has Triptych .*, this machine 0.0.0; install the same on all"),
        cluster.open_executor("a", PerUnit(repeats), purpose="repeats"),
    ):
        raise AssertionError("entered")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://head:10001"])
def test_an_address_without_a_cluster_is_one_line(address: str) -> None:
    """At once, while Ray itself tries for minutes."""
    script = (
        "from triptych.executors.ray import _connect\n"
        f"from triptych.errors import TriptychError\ntry: _connect({address!r})\n"
        "except TriptychError as error: print(error)"
    )

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert "" == answer.stderr
    (line,) = answer.stdout.splitlines()
    assert line.startswith(f"--cluster {address}: ")
