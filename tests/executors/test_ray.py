"""What a cluster needs, and what it says where that isn't there: one line each."""

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


def says_where(name: str) -> Callable[[float], str]:
    def on(seconds: float) -> str:
        time.sleep(seconds)
        return str(ray.get_runtime_context().get_node_id())

    return on


def repeats(name: str) -> Callable[[bytes], bytes]:
    return lambda content: content


def test_what_is_large_goes_through_the_shared_folder_and_is_gone_afterwards(
    ray_nodes: RayNodes, tmp_path: Path
) -> None:
    """Units and results."""
    large = [b"x" * 1_000_000] * 6
    with (
        ray_nodes.open(tmp_path / "shared") as cluster,
        cluster.open_executor("a", PerUnit(repeats), purpose="repeats") as executor,
    ):
        results = in_order(executor, large)
        first = next(results)
        assert [*tmp_path.glob("shared/*.pickle")]
        assert large == [first, *results]
        assert len([*tmp_path.glob("shared/*.pickle")]) < len(large)  # the set-up, and what was copied
    assert not (tmp_path / "shared").exists()


def test_no_more_workers_than_are_wanted_on_as_many_nodes(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """One ends; another takes its place, and no further ones come."""
    with (
        ray_nodes.open(tmp_path / "shared", cpus_per_worker=0.25) as cluster,
        cluster.open_executor("a", PerUnit(says_where), purpose="says where", most=2) as executor,
    ):
        assert 16 == cluster.room
        assert 2 == len(set(in_order(executor, [0.5] * 6)))
        assert 2 == executor.workers


def test_nodes_without_the_labels_or_the_room_are_named(ray_nodes: RayNodes, tmp_path: Path) -> None:
    """Before anything is started."""
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
    """As where another disk is mounted there."""
    with ray_nodes.open(tmp_path / "shared") as cluster:
        (tmp_path / "shared" / DRIVER).unlink()
        with (
            pytest.raises(SetupError, match=r": .* is not the run's folder here; expected a file system"),
            cluster.open_executor("a", PerUnit(repeats), purpose="repeats"),
        ):
            raise AssertionError("entered")


def test_a_node_with_another_triptych_is_named(
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
def test_an_address_where_no_cluster_is_is_one_line(address: str) -> None:
    """At once, where Ray itself tries for minutes."""
    script = (
        "from triptych.executors.ray import _connect\n"
        f"from triptych.errors import TriptychError\ntry: _connect({address!r})\n"
        "except TriptychError as error: print(error)"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert "" == said.stderr
    (line,) = said.stdout.splitlines()
    assert line.startswith(f"--cluster {address}: ")
