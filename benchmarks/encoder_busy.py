"""How busy the pipeline keeps an encoder that takes a fixed time per batch, compared with a naive loop.

    python -m benchmarks.encoder_busy [--images 512] [--batch-size 32]

The encoder only sleeps, for 1.5 times as long as this machine needs to decode a batch, so that decoding can
keep up. It is driven by the same pipeline as a real one. The naive loop decodes a batch with the same number
of threads and then encodes it. Busy is the share of time spent encoding, from the start of the first batch to
the end of the last one; the unavoidable wait for the first batch is recorded separately. The images are drawn
JPEGs of 2250 x 1500 pixels and 1 MB, in shards of 128.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.large_pictures import large_jpeg
from benchmarks.record import record, refuse_dirty_tree
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.grouping.embedding.prepare import prepare
from triptych.grouping.embedding.preprocess import InputShape
from triptych.grouping.embedding.throughput import Throughput
from triptych.runs.folder import RunFolder
from triptych.sources.shard import FoundFile

DISTINCT = 16
SHARD_FILES = 128
RUNS = 3
SLACK = 1.5
MIN_BUSY = 0.95


class SleepingEncoder:
    """An encoder that takes ``cost_s`` per batch and no CPU time, like one on a GPU."""

    shape = InputShape(height_px=224, width_px=224)

    def __init__(self, cost_s: float) -> None:
        self._cost_s = cost_s
        self.spans: list[tuple[float, float]] = []

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``float16[n, 1]`` of ones."""
        began = time.perf_counter()
        time.sleep(self._cost_s)
        self.spans.append((began, time.perf_counter()))
        return np.ones((len(pixels), 1), np.float16)

    @property
    def busy(self) -> float:
        """Share of the time from the first batch's start to the last one's end."""
        return sum(end - began for began, end in self.spans) / (self.spans[-1][1] - self.spans[0][0])


class InMemoryShard(msgspec.Struct, frozen=True):
    """A shard of large pictures in memory, because reading is not measured."""

    name: str
    contents: tuple[bytes, ...]
    archive_key: str | None = None
    file_count: int | None = SHARD_FILES

    def fingerprint(self) -> str:
        return self.name

    def files(self) -> Iterator[FoundFile]:
        for number in range(SHARD_FILES):
            yield FoundFile(key=f"{self.name}/{number}.jpg", content=self.contents[number % DISTINCT])

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(key)


class NullReport:
    """A progress report that is discarded."""

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        pass


def decoding_s(contents: tuple[bytes, ...], threads: int, batch_size: int) -> float:
    """Seconds in which ``threads`` threads decode a batch: the median of RUNS."""
    files = [FoundFile(key=str(n), content=c) for n, c in enumerate(contents)]
    batch = [files[number % DISTINCT] for number in range(batch_size)]
    took = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            list(pool.map(lambda file: prepare(file, SleepingEncoder.shape), batch))
            took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def in_pipeline(shards: list[InMemoryShard], cost_s: float, threads: int, batch: int) -> dict[str, Any]:
    """How busy the encoder was, and the shares of time that the pipeline reports itself."""
    encoder = SleepingEncoder(cost_s)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        run = RunFolder.create_or_open(Path(scratch, "run"))
        throughput = Pipeline(run, encoder, batch, threads).run(shards, NullReport())
    first_s = encoder.spans[0][0] - began
    shares = {part: round(share, 3) for part, share in throughput.shares.items()}
    return {"busy": round(encoder.busy, 4), "first_batch_after_s": round(first_s, 2), "said": shares}


def in_naive_loop(shards: list[InMemoryShard], cost_s: float, threads: int, batch_size: int) -> float:
    """How busy the encoder is if each batch is decoded, then encoded, before the next one."""
    encoder, batch = SleepingEncoder(cost_s), []
    with ThreadPoolExecutor(threads) as pool:
        for shard in shards:
            for file in shard.files():
                batch.append(file)
                if len(batch) == batch_size:
                    prepared = list(pool.map(lambda each: prepare(each, SleepingEncoder.shape), batch))
                    encoder.encode(np.stack([each.pixels for each in prepared if each.pixels is not None]))
                    batch.clear()
    return round(encoder.busy, 4)


@click.command()
@click.option("--images", default=512, show_default=True)
@click.option("--batch-size", default=32, show_default=True)
def main(images: int, batch_size: int) -> None:
    """Measure in turns and record the medians; exit 1 if the encoder is less busy than MIN_BUSY."""
    refuse_dirty_tree()
    threads = len(os.sched_getaffinity(0))
    contents = tuple(large_jpeg(number) for number in range(DISTINCT))
    shards = [InMemoryShard(f"drawn-{number}", contents) for number in range(max(1, images // SHARD_FILES))]
    turns, costs_s = [], []
    for _ in range(RUNS):
        # Measured in each turn, because decoding speed depends on the load of the machine.
        cost_s = SLACK * decoding_s(contents, threads, batch_size)
        costs_s.append(round(cost_s, 3))
        turns.append(
            (
                in_pipeline(shards, cost_s, threads, batch_size),
                in_naive_loop(shards, cost_s, threads, batch_size),
            )
        )
    busy = statistics.median(pipeline["busy"] for pipeline, _ in turns)
    record(
        "encoder_busy",
        f"python -m benchmarks.encoder_busy --images {images} --batch-size {batch_size}",
        {
            "images": len(shards) * SHARD_FILES,
            "shards": len(shards),
            "decode_threads": threads,
            "encoding_a_batch_s": costs_s,
            "busy_in_pipeline": busy,
            "busy_in_naive_loop": statistics.median(naive for _, naive in turns),
            "runs": [{"pipeline": pipeline, "naive_loop_busy": naive} for pipeline, naive in turns],
            "least_busy": MIN_BUSY,
        },
    )
    sys.exit(0 if busy >= MIN_BUSY else 1)


if __name__ == "__main__":
    main()
