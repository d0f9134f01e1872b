"""The overhead of Ray over the local process pool: the same shards on the same cores.

    python -m benchmarks.cluster_overhead [--shards 12] [--images 1000] [--rounds 3]

Embeds pictures with the nano encoder, in as many local processes as there are cores and in as many Ray
workers on one node. A shard is the unit of work. The two take turns; each round starts from an empty run
folder with loaded workers. The minimum time of each counts.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.encoder_busy import NullReport
from benchmarks.record import record, refuse_dirty_tree
from tests.support.pile import write_tar
from tests.support.ray_nodes import RayNodes
from triptych.executors import Cluster
from triptych.grouping.embedding.device_workers import open_devices
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder
from triptych.models import resolve_model
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

SIDE_PX = 320


@click.command()
@click.option("--shards", default=12, show_default=True)
@click.option("--images", default=1000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(shards: int, images: int, rounds: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    cores = len(os.sched_getaffinity(0))
    nodes = RayNodes(workers=1, cpus=cores)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            pile = _draw(Path(scratch, "pile"), shards, images)
            with nodes.open(Path(scratch, "shared")) as cluster:
                took: dict[str, list[float]] = {"local": [], "ray": []}
                for _ in range(rounds):
                    for name, on in (("local", None), ("ray", cluster)):
                        took[name].append(_embed(Path(scratch, name), pile, cores, on))
    finally:
        nodes.shut_down()
    local_s, ray_s = min(took["local"]), min(took["ray"])
    record(
        "cluster_overhead",
        f"python -m benchmarks.cluster_overhead --shards {shards} --images {images} --rounds {rounds}",
        {
            "images_a_shard": images,
            "shards": shards,
            "workers": cores,
            "local_s": [round(each, 2) for each in took["local"]],
            "ray_s": [round(each, 2) for each in took["ray"]],
            "overhead": round(ray_s / local_s - 1, 4),
        },
    )


def _draw(folder: Path, shards: int, images: int) -> list[Shard]:
    """Tars of JPEGs with random blotches, no two the same."""
    for shard in range(shards):
        members = {}
        for number in range(images):
            rng = np.random.default_rng([shard, number])
            blotches = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            buffer = io.BytesIO()
            blotches.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(buffer, "JPEG")
            members[f"{number}.jpg"] = buffer.getvalue()
        write_tar(folder / f"s_{shard:06d}.tar", members)
    return open_sources([folder])


def _embed(path: Path, shards: Sequence[Shard], workers: int, cluster: Cluster | None) -> float:
    """Seconds from when the workers are loaded until the last shard is done."""
    shutil.rmtree(path, ignore_errors=True)
    run = RunContext(folder=RunFolder.create_or_open(path))
    if cluster is not None:
        run = RunContext(folder=run.folder, cluster=cluster, open_executor=cluster.open_executor)
    load = partial(load_encoder, resolve_encoder(resolve_model("builtin:nano-clip")), cpu_threads=1)
    with open_devices(run, ["cpu:0"] * workers, load, batch_size=64, decode_threads=1) as embed:
        time.sleep(20)  # until all workers are loaded: a cluster opens as soon as the first one is
        began = time.monotonic()
        embed(shards, NullReport())
        return time.monotonic() - began


if __name__ == "__main__":
    main()
