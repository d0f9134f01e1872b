"""Shards of files to image records and embeddings: the pipeline of one encoder.

Comes in: shards, an encoder. Goes out: for each shard ``embeddings/<shard>.npy`` and then
``images/<shard>.jsonl``, whose presence means that the shard is complete. One thread reads, several decode,
one cuts batches, the caller's thread encodes and one writes. Files are recorded and batched in order, and a
batch never mixes shards, so the bytes written depend neither on timing nor on which process gets which shard.
Not its job: which shards (see stage) and how many processes (see device_workers).
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
"""Of files that are read but not decoded yet."""

ENDS_WITHIN_S = 2.0
"""Longest wait for a reading thread to end: it may hang on its disk, or wait for a next shard."""


class Encoder(Protocol):
    """What turns pixels into vectors (see encoders)."""

    @property
    def shape(self) -> InputShape:
        """Input size, and how pictures are resized to it."""

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``uint8[n, height, width, 3]`` to ``float16[n, dim]`` unit rows, or NaN rows."""


class Report(Protocol):
    """Receives the pipeline's progress."""

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        """``files`` more files of ``shard`` have been encoded."""

    def wrote(self, shard: str) -> None:
        """``shard`` is complete. Called from another thread than ``advance``."""


class Pipeline:
    """Reads, decodes, encodes and writes shards for one encoder. ``run`` may be called once.

    Memory holds at most ``max_images`` images (three batches, plus two per decoding thread) between reading
    and encoding: up to READ_AHEAD_BYTES plus one file of undecoded bytes, some images being decoded (see
    image_decoding for how many), and the rest as ``uint8[height, width, 3]`` pixels, 147 KiB at 224 x 224.
    """

    def __init__(self, run: RunFolder, encoder: Encoder, batch_size: int, decode_threads: int) -> None:
        self.max_images = 3 * batch_size + 2 * decode_threads
        self.images = MemoryBudget(self.max_images)
        """Budget for images between reading and encoding."""
        self._bytes = MemoryBudget(READ_AHEAD_BYTES)
        self._run, self._encoder = run, encoder
        self._batch_size, self._decode_threads = batch_size, decode_threads
        self._stopwatch = Stopwatch(decode_threads)

    def run(self, shards: Iterable[Shard], report: Report) -> Throughput:
        """Embed every image and record every file of ``shards``. Returns how busy each stage was."""
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
                    writing.add_done_callback(lambda done: _pass_on_failure(done, batches))
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
        """Every file as a future; None after the last file of a shard."""
        for shard in shards:
            progress = _ShardProgress(shard.name, [], [])
            files = iter(shard.files())
            while True:
                self.images.acquire(1)
                with self._stopwatch.timed("reading"):
                    file = next(files, None)
                if file is None:
                    self.images.release(1)
                    break
                self._bytes.acquire(len(file.content))
                yield _Read(progress, decoders.submit(self._prepare, file))
            yield _Read(progress, None)

    def _prepare(self, file: FoundFile) -> Prepared:
        try:
            with self._stopwatch.timed("decoding"):
                return prepare(file, self._encoder.shape)
        finally:
            self._bytes.release(len(file.content))

    def _cut(self, files: Iterable[_Read]) -> Iterator[_Batch]:
        """Batches of ``batch_size`` readable images; the last of a shard may be smaller, or empty."""
        pixels: list[NDArray[np.uint8]] = []
        count = 0
        for shard, future in files:
            if future is not None:
                prepared = future.result()
                shard.records.append(prepared.record)
                count += 1
                if prepared.pixels is None:
                    self.images.release(1)
                else:
                    pixels.append(prepared.pixels)
            if future is None or len(pixels) == self._batch_size:
                stacked = np.stack(pixels) if pixels else None
                yield _Batch(shard, stacked, count, is_last=future is None)
                pixels, count = [], 0

    def _encode(self, batch: _Batch) -> None:
        if batch.pixels is not None:
            with self._stopwatch.timed("model"):
                batch.shard.rows.append(self._encoder.encode(batch.pixels))
            self.images.release(len(batch.pixels))
        elif batch.is_last and not batch.shard.rows:
            batch.shard.rows.append(self._encoder.encode(self._encoder.shape.grey())[:0])


class _ShardProgress(NamedTuple):
    """Records and embeddings of a shard so far."""

    name: str
    records: list[ImageRecord]
    rows: list[NDArray[np.float16]]


class _Read(NamedTuple):
    shard: _ShardProgress
    future: Future[Prepared] | None


class _Batch(NamedTuple):
    shard: _ShardProgress
    pixels: NDArray[np.uint8] | None
    files: int
    is_last: bool


T = TypeVar("T")


def _started(queue: BoundedQueue[T], source: Iterator[T]) -> threading.Thread:
    """Start a thread that fills ``queue``. A daemon, so that a hanging disk can't keep the process alive."""
    thread = threading.Thread(target=queue.fill_from, args=(source,), daemon=True)
    thread.start()
    return thread


def _pass_on_failure(writing: Future[None], batches: BoundedQueue[_Batch]) -> None:
    """Report an error such as a full disk at once, not only after the next batch."""
    error = writing.exception()
    if error is not None:
        batches.fail(error)


def _write(run: RunFolder, shard: _ShardProgress, report: Report) -> None:
    rows = np.concatenate(shard.rows)
    usable: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows), axis=1)
    forget_shard(run, shard.name)
    write_array(run.embeddings_file(shard.name), rows[usable])
    write_jsonl(run.images_file(shard.name), _without_unusable(shard.records, usable))
    note_shard(run, shard.name)
    report.wrote(shard.name)


def _without_unusable(records: list[ImageRecord], usable: NDArray[np.bool_]) -> Iterator[ImageRecord]:
    """``records``, in which images without a finite vector are marked as unreadable."""
    row = iter(usable)
    for record in records:
        if record.unreadable is None and not next(row):
            yield msgspec.structs.replace(
                record, unreadable="not embeddable: the embedding model gave no finite vector"
            )
        else:
            yield record
