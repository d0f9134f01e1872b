"""How busy an encoder is that costs a fixed time a batch: in the pipeline, and in the naive loop.

    python -m benchmarks.encoder_busy [--images 512] [--batch-size 32]

The encoder is artificial: it sleeps, as long as 1.5 times what this machine's decoders need for a batch, so
that decoding can keep up. It goes through the same pipeline as a real one. The naive loop decodes a batch
with as many threads and then encodes it. Busy is the share of encoding in the time from its first batch's
beginning to its last batch's end; waiting for the first batch, which nothing can avoid, is given beside it.
Drawn JPEGs of 2250 x 1500 pixels and 1 MB, in shards of 128.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
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
LEAST_BUSY = 0.95


class Sleeping:
    """An encoder that takes ``cost_s`` a batch and no core, as a GPU does."""

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
        """From the first batch's beginning to the last one's end."""
        return sum(end - began for began, end in self.spans) / (self.spans[-1][1] - self.spans[0][0])


class Drawn(msgspec.Struct, frozen=True):
    """A shard of large pictures, in memory: reading is not what is measured."""

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


class Ignored:
    """A Report that nobody reads."""

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        pass


def decoding_s(contents: tuple[bytes, ...], threads: int, batch_size: int) -> float:
    """Wall time in which ``threads`` decode a batch: the median of RUNS."""
    files = [FoundFile(key=str(n), content=c) for n, c in enumerate(contents)]
    batch = [files[number % DISTINCT] for number in range(batch_size)]
    took = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            list(pool.map(lambda file: prepare(file, Sleeping.shape), batch))
            took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def in_pipeline(shards: Sequence[Drawn], cost_s: float, threads: int, batch_size: int) -> dict[str, Any]:
    """Busy, and the shares that the pipeline says by itself."""
    encoder = Sleeping(cost_s)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        run = RunFolder.create_or_open(Path(scratch, "run"))
        throughput = Pipeline(run, encoder, batch_size, threads).run(shards, Ignored())
    first_s = encoder.spans[0][0] - began
    shares = {part: round(share, 3) for part, share in throughput.shares.items()}
    return {"busy": round(encoder.busy, 4), "first_batch_after_s": round(first_s, 2), "said": shares}


def in_naive_loop(shards: list[Drawn], cost_s: float, threads: int, batch_size: int) -> float:
    """Busy where a batch is decoded, then encoded, then the next."""
    encoder, batch = Sleeping(cost_s), []
    with ThreadPoolExecutor(threads) as pool:
        for shard in shards:
            for file in shard.files():
                batch.append(file)
                if len(batch) == batch_size:
                    prepared = list(pool.map(lambda each: prepare(each, Sleeping.shape), batch))
                    encoder.encode(np.stack([each.pixels for each in prepared if each.pixels is not None]))
                    batch.clear()
    return round(encoder.busy, 4)


@click.command()
@click.option("--images", default=512, show_default=True)
@click.option("--batch-size", default=32, show_default=True)
def main(images: int, batch_size: int) -> None:
    """Measure in turns and commit the medians; exit 1 where the pipeline keeps it busy less than wanted."""
    refuse_dirty_tree()
    threads = len(os.sched_getaffinity(0))
    contents = tuple(large_jpeg(number) for number in range(DISTINCT))
    shards = [Drawn(f"drawn-{number}", contents) for number in range(max(1, images // SHARD_FILES))]
    turns, costs_s = [], []
    for _ in range(RUNS):
        # Each time anew: what decoders can keep up with changes with what else the machine does.
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
            "least_busy": LEAST_BUSY,
        },
    )
    sys.exit(0 if busy >= LEAST_BUSY else 1)


if __name__ == "__main__":
    main()
