"""Which engines' servers may take the GPUs of several nodes, and how many workers share an endpoint."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from triptych.captioning.cluster import _shares, _spans_nodes
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.errors import SetupError
from triptych.executors import Cluster


class Nodes(msgspec.Struct):
    """A cluster of nodes with so many GPUs each."""

    most_gpus: float


def spans(most_gpus: float, **config: Any) -> bool:
    return _spans_nodes(LmdeployConfig(**config), cast(Cluster, Nodes(most_gpus)))


def test_lmdeploys_pytorch_engine_takes_more_than_one_gpu_through_ray() -> None:
    """Of one node too: it would look for them in the cluster otherwise."""
    assert spans(8, backend="pytorch", tp=16)
    assert spans(8, backend="pytorch", tp=2)
    assert not spans(8, backend="pytorch", tp=1)


def test_turbomind_stays_on_a_node_or_says_so() -> None:
    """A node without GPUs has a line of its own."""
    assert not spans(8, tp=8)
    assert not spans(0, tp=2)
    with pytest.raises(SetupError, match=r"--tp 16 needs 16 GPUs .* no node has more than 8; .*=pytorch"):
        spans(8, tp=16)


@pytest.mark.parametrize("max_in_flight", [1, 4, 64, 100, 256])
def test_workers_share_what_an_endpoint_takes(max_in_flight: int) -> None:
    """Never more in all, hardly less, and no more workers than there is room for."""
    for room in range(1000):
        workers, each = _shares(max_in_flight, room)
        assert 1 <= workers <= max(room, 1)
        assert 0.9 * max_in_flight <= workers * each <= max_in_flight


@pytest.mark.parametrize(
    ("room", "shares"), [(1, (1, 64)), (10, (10, 6)), (33, (32, 2)), (63, (63, 1)), (768, (64, 1))]
)
def test_there_are_as_many_workers_as_there_is_room_for(room: int, shares: tuple[int, int]) -> None:
    """As far as each has a request, and rounding costs little."""
    assert shares == _shares(64, room)
