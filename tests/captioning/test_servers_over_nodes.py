"""Which servers may use the GPUs of several nodes, and how many workers share an endpoint."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from triptych.captioning.cluster import _shares, _spans_nodes
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.errors import SetupError
from triptych.executors import Cluster


class Nodes(msgspec.Struct):
    """A cluster whose nodes have at most ``most_gpus`` GPUs."""

    most_gpus: float


def spans(most_gpus: float, **config: Any) -> bool:
    return _spans_nodes(LmdeployConfig(**config), cast(Cluster, Nodes(most_gpus)))


def test_lmdeploys_pytorch_engine_gets_several_gpus_through_ray() -> None:
    """Even those of one node: otherwise it would look for them in the cluster."""
    assert spans(8, backend="pytorch", tp=16)
    assert spans(8, backend="pytorch", tp=2)
    assert not spans(8, backend="pytorch", tp=1)


def test_turbomind_is_limited_to_one_node() -> None:
    """Nodes without GPUs are reported elsewhere."""
    assert not spans(8, tp=8)
    assert not spans(0, tp=2)
    with pytest.raises(SetupError, match=r"--tp 16 needs 16 GPUs .* no node has more than 8; .*=pytorch"):
        spans(8, tp=16)


@pytest.mark.parametrize("max_in_flight", [1, 4, 64, 100, 256])
def test_workers_share_the_max_in_flight_of_an_endpoint(max_in_flight: int) -> None:
    """Never more in total, hardly less, and with no more workers than there is room for."""
    for room in range(1000):
        workers, each = _shares(max_in_flight, room)
        assert 1 <= workers <= max(room, 1)
        assert 0.9 * max_in_flight <= workers * each <= max_in_flight


@pytest.mark.parametrize(
    ("room", "shares"), [(1, (1, 64)), (10, (10, 6)), (33, (32, 2)), (63, (63, 1)), (768, (64, 1))]
)
def test_as_many_workers_are_started_as_there_is_room_for(room: int, shares: tuple[int, int]) -> None:
    """As long as each has a request, and rounding costs little."""
    assert shares == _shares(64, room)
