"""What Ray costs against the local pool: the same shards on the same cores, in one run.

python -m benchmarks.cluster_overhead [--shards 12] [--images 1000] [--rounds 3]

Embeds drawn pictures with the nano encoder, by as many processes as there are cores, and by as many Ray
workers on one node. Shards of 1,000 images, as an executor's unit is one. The two take turns, each round from
nothing, with loaded workers; the least time of each counts.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.record import record, refuse_dirty_tree
from tests.support.ray_nodes import RayNodes
from triptych.executors import Cluster
from triptych.grouping.embedding.device_workers import open_devices
from triptych.grouping.embedding.throughput import Throughput
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
    """Measure and commit the result."""
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
    """Tars of JPEGs of blotches; no two alike."""
    folder.mkdir(parents=True)
    for shard in range(shards):
        with tarfile.open(folder / f"s_{shard:06d}.tar", "w") as archive:
            for number in range(images):
                rng = np.random.default_rng([shard, number])
                blotches = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
                buffer = io.BytesIO()
                blotches.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(buffer, "JPEG")
                member = tarfile.TarInfo(f"{number}.jpg")
                member.size = len(buffer.getvalue())
                archive.addfile(member, io.BytesIO(buffer.getvalue()))
    return open_sources([folder])


class _Counted:
    """A Report that is not shown."""

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        pass


def _embed(path: Path, shards: Sequence[Shard], workers: int, cluster: Cluster | None) -> float:
    """Seconds from loaded workers to the last shard."""
    shutil.rmtree(path, ignore_errors=True)
    run = RunContext(folder=RunFolder.create_or_open(path))
    if cluster is not None:
        run = RunContext(folder=run.folder, cluster=cluster, open_executor=cluster.open_executor)
    load = partial(load_encoder, resolve_encoder(resolve_model("builtin:nano-clip")), cpu_threads=1)
    with open_devices(run, ["cpu:0"] * workers, load, batch_size=64, decode_threads=1) as embed:
        time.sleep(20)  # a cluster's are set up one after the other, and the first is enough to begin
        began = time.monotonic()
        embed(shards, _Counted())
        return time.monotonic() - began


if __name__ == "__main__":
    main()
