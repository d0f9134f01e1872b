"""Shards of files to image records and embeddings: the pipeline of one encoder.

Comes in: shards, an encoder. Goes out: of each shard ``embeddings/<shard>.npy`` and then
``images/<shard>.jsonl``, whose presence means that the shard is whole. One thread reads, several decode,
one cuts batches, the caller's encodes and one writes, so the encoder waits for nothing that could have
been done before. Everything is recorded and batched in file order, and a batch never holds images of two
shards, so the bytes written depend on neither timing nor on which process gets which shard. Not its job:
which shards (see stage) and how many processes (see device_workers).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.executors.memory_budget import MemoryBudget
from triptych.grouping.embedding.bounded_queue import BoundedQueue
from triptych.grouping.embedding.prepare import Prepared, prepare
from triptych.grouping.embedding.preprocess import InputShape
from triptych.grouping.embedding.throughput import Stopwatch, Throughput
from triptych.records import ImageRecord
from triptych.runs.arrays import write_array
from triptych.runs.checkpoints import forget_shard, note_shard
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.sources.shard import FoundFile, Shard

READ_AHEAD_BYTES = 512 * 1024**2
"""Of files that were read and not decoded yet."""

ENDS_WITHIN_S = 2.0
"""A thread that reads may hang with its disk, or wait for a shard that doesn't come; it is left behind."""


class Encoder(Protocol):
    """What turns pixels into vectors (see encoders)."""

    @property
    def shape(self) -> InputShape:
        """What pictures are resized to."""

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``uint8[n, height, width, 3]`` to ``float16[n, dim]`` unit rows; a row that can't be had is NaN."""


class Report(Protocol):
    """Is informed of how far the pipeline is."""

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        """``files`` more of ``shard`` have gone through the encoder."""

    def wrote(self, shard: str) -> None:
        """``shard`` is whole. Called from another thread than ``advance``."""


class Pipeline:
    """Reads, decodes, encodes and writes shards, as one encoder needs them. For one call of ``run``.

    Held at once: at most ``max_images`` images (three batches and two a decoding thread) between
    reading and encoding. Of them READ_AHEAD_BYTES and one file as they were read, some being decoded (see
    image_decoding for how many), and the others as ``uint8[height, width, 3]`` pixels, 147 KiB at 224 x 224.
    """

    def __init__(self, run: RunFolder, encoder: Encoder, batch_size: int, decode_threads: int) -> None:
        self.max_images = 3 * batch_size + 2 * decode_threads
        self.images = MemoryBudget(self.max_images)
        """What is held between reading and encoding."""
        self._bytes = MemoryBudget(READ_AHEAD_BYTES)
        self._run, self._encoder = run, encoder
        self._batch_size, self._decode_threads = batch_size, decode_threads
        self._stopwatch = Stopwatch(decode_threads)

    def run(self, shards: Iterable[Shard], report: Report) -> Throughput:
        """Embed every image and record every file of ``shards``. Returns how busy each part was."""
        decoders = ThreadPoolExecutor(self._decode_threads, thread_name_prefix="decode")
        writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        files: BoundedQueue[_Read] = BoundedQueue(self.max_images)
        batches: BoundedQueue[_Batch] = BoundedQueue(1)
        reading = _started(files, self._read(shards, decoders))
        cutting = _started(batches, self._cut(files))
        writing: Future[None] | None = None
        try:
            for batch in batches:
                self._encode(batch)
                report.advance(batch.shard.name, batch.files, self._stopwatch.throughput())
                if batch.is_last:
                    if writing is not None:
                        writing.result()
                    writing = writer.submit(_write, self._run, batch.shard, report)
                    writing.add_done_callback(lambda done: _say_failure(done, batches))
            if writing is not None:
                writing.result()
        finally:
            for each in (self.images, self._bytes, files, batches):
                each.close()
            decoders.shutdown(cancel_futures=True)
            for thread in (reading, cutting):
                thread.join(ENDS_WITHIN_S)
            writer.shutdown()
        return self._stopwatch.throughput()

    def _read(self, shards: Iterable[Shard], decoders: ThreadPoolExecutor) -> Iterator[_Read]:
        """Every file, with what is becoming of it; after the last one of a shard, None."""
        for shard in shards:
            under_way = _ShardUnderWay(shard.name, [], [])
            files = iter(shard.files())
            while True:
                self.images.acquire(1)
                with self._stopwatch.timed("reading"):
                    file = next(files, None)
                if file is None:
                    self.images.release(1)
                    break
                self._bytes.acquire(len(file.content))
                yield _Read(under_way, decoders.submit(self._prepare, file))
            yield _Read(under_way, None)

    def _prepare(self, file: FoundFile) -> Prepared:
        try:
            with self._stopwatch.timed("decoding"):
                return prepare(file, self._encoder.shape)
        finally:
            self._bytes.release(len(file.content))

    def _cut(self, files: Iterable[_Read]) -> Iterator[_Batch]:
        """Batches of ``batch_size`` readable images; the last of a shard may have fewer, or none."""
        pixels: list[NDArray[np.uint8]] = []
        count = 0
        for shard, coming in files:
            if coming is not None:
                prepared = coming.result()
                shard.records.append(prepared.record)
                count += 1
                if prepared.pixels is None:
                    self.images.release(1)
                else:
                    pixels.append(prepared.pixels)
            if coming is None or len(pixels) == self._batch_size:
                stacked = np.stack(pixels) if pixels else None
                yield _Batch(shard, stacked, count, is_last=coming is None)
                pixels, count = [], 0

    def _encode(self, batch: _Batch) -> None:
        if batch.pixels is not None:
            with self._stopwatch.timed("model"):
                batch.shard.rows.append(self._encoder.encode(batch.pixels))
            self.images.release(len(batch.pixels))
        elif batch.is_last and not batch.shard.rows:
            batch.shard.rows.append(self._encoder.encode(self._encoder.shape.grey())[:0])


class _ShardUnderWay(NamedTuple):
    """What is known of a shard so far."""

    name: str
    records: list[ImageRecord]
    rows: list[NDArray[np.float16]]


class _Read(NamedTuple):
    shard: _ShardUnderWay
    coming: Future[Prepared] | None


class _Batch(NamedTuple):
    shard: _ShardUnderWay
    pixels: NDArray[np.uint8] | None
    files: int
    is_last: bool


T = TypeVar("T")


def _started(queue: BoundedQueue[T], source: Iterator[T]) -> threading.Thread:
    """A thread that fills ``queue``. A daemon: a disk that hangs must not keep the process alive."""
    thread = threading.Thread(target=queue.fill_from, args=(source,), daemon=True)
    thread.start()
    return thread


def _say_failure(writing: Future[None], batches: BoundedQueue[_Batch]) -> None:
    """The next batch may be long in coming, and a full disk has to be known now."""
    error = writing.exception()
    if error is not None:
        batches.fail(error)


def _write(run: RunFolder, shard: _ShardUnderWay, report: Report) -> None:
    rows = np.concatenate(shard.rows)
    usable: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows), axis=1)
    forget_shard(run, shard.name)
    write_array(run.embeddings_file(shard.name), rows[usable])
    write_jsonl(run.images_file(shard.name), _without_unusable(shard.records, usable))
    note_shard(run, shard.name)
    report.wrote(shard.name)


def _without_unusable(records: list[ImageRecord], usable: NDArray[np.bool_]) -> Iterator[ImageRecord]:
    """The images for which the model gave no vector become unreadable ones."""
    row = iter(usable)
    for record in records:
        if record.unreadable is None and not next(row):
            yield msgspec.structs.replace(
                record, unreadable="not embeddable: the embedding model gave no finite vector"
            )
        else:
            yield record
