"""Settings of a cluster.

Comes in: the table ``cluster`` of a config file. Goes out: a validated, frozen ClusterConfig. Not its job:
using the cluster (see ray).
"""

from __future__ import annotations

import msgspec


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the nodes of a Ray cluster are used. Raises ValueError for impossible values."""

    address: str = ""
    """``auto``, or where the head node of the cluster is (HOST:PORT). Empty: this machine alone. It counts
    for one command."""
    workers_per_node: int | None = None
    """At most; None: as many as a node's resources allow."""
    cpus_per_worker: float = 1.0
    """What a worker takes of its node, and how many threads it decodes in."""
    gpus_per_worker: float = 1.0
    """What a worker that embeds takes, where there are GPUs: 0.5 puts two on each."""
    labels: dict[str, str] = {}
    """Only nodes that have all of these labels (`ray start --labels`)."""

    def __post_init__(self) -> None:
        if self.workers_per_node is not None and self.workers_per_node < 1:
            raise ValueError(f"cluster.workers_per_node is {self.workers_per_node}; expected 1 or more")
        for name in ("cpus_per_worker", "gpus_per_worker"):
            if getattr(self, name) <= 0:
                raise ValueError(f"cluster.{name} is {getattr(self, name)}; expected more than 0")
