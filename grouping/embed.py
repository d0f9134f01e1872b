"""One shard of files to its image records and embeddings.

Comes in: a shard, an encoder. Goes out: ``embeddings/<shard>.npy`` and then ``images/<shard>.jsonl``,
whose presence means that the shard is whole. Files are decoded by threads, but recorded and batched
in file order, so the bytes written don't depend on timing. Not its job: which shards (see stage).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corpus.errors import UnreadableImageError
from corpus.files import write_jsonl, written_whole
from corpus.found import FoundFile
from corpus.pixels import decode_rgb
from corpus.progress import Task
from corpus.records import ImageRecord
from corpus.runfolder import RunFolder
from corpus.sources import Shard
from grouping.witness import picture_hash

DRAFT_OVER_INPUT = 2
"""JPEGs are decoded at a scale that leaves this many times the model's input: 2.7 times faster than a
full decode of 1500 x 2250 pixels, at a mean difference of 0.9 of 255 in the model's input."""

MAX_ASPECT_RATIO = 100
"""A picture longer than this is refused: resized by its shorter side it would fill the memory."""


class Encoder(Protocol):
    """What turns pictures into vectors (see encoder)."""

    @property
    def input_side_px(self) -> int:
        """The longer side of what the model sees."""

    def preprocess(self, picture: Image.Image) -> NDArray[np.float32]:
        """An RGB picture as the model's input. Called from many threads."""

    def encode(self, pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float16]:
        """Inputs to ``float16[n, dim]`` unit rows; a row that can't be had is NaN."""


class _Prepared(NamedTuple):
    record: ImageRecord
    pixels: NDArray[np.float32] | None


class ShardCount(NamedTuple):
    """How many files a shard has, and how many of them are readable images."""

    found: int
    readable: int


def is_whole(run: RunFolder, shard: Shard) -> bool:
    """Whether ``shard`` was embedded to its end."""
    return run.images_file(shard.name).exists() and run.embeddings_file(shard.name).exists()


def embed_shard(
    run: RunFolder, shard: Shard, encoder: Encoder, batch_size: int, decode_threads: int, task: Task
) -> ShardCount:
    """Embed every readable image of ``shard`` and record every file found, in file order.

    Batches are cut every ``batch_size`` readable images. In memory at any time: ``decode_threads``
    decoded pictures, and the bytes or model inputs of about two batches.
    """
    records: list[ImageRecord] = []
    rows: list[NDArray[np.float16]] = []
    batch: list[_Prepared] = []

    def encode_batch() -> None:
        encoded = encoder.encode([each.pixels for each in batch if each.pixels is not None])
        usable: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(encoded), axis=1)
        rows.append(encoded[usable])
        _mark_unusable(records, {each.record.key for each, ok in zip(batch, usable, strict=True) if not ok})
        batch.clear()

    for prepared in _prepare_all(shard, encoder, batch_size, decode_threads):
        records.append(prepared.record)
        if prepared.pixels is not None:
            batch.append(prepared)
        if len(batch) == batch_size:
            encode_batch()
        task.advance(1)
    if batch:
        encode_batch()
    embeddings = np.concatenate(rows or [_no_rows(encoder)])
    with written_whole(run.embeddings_file(shard.name)) as file:
        np.save(file, embeddings)
    write_jsonl(run.images_file(shard.name), records)
    return ShardCount(found=len(records), readable=len(embeddings))


def _no_rows(encoder: Encoder) -> NDArray[np.float16]:
    """``float16[0, dim]``, for a shard without a readable image."""
    grey = Image.new("RGB", (encoder.input_side_px, encoder.input_side_px), (128, 128, 128))
    return encoder.encode([encoder.preprocess(grey)])[:0]


def _mark_unusable(records: list[ImageRecord], keys: set[str]) -> None:
    """Record the images of ``keys``, for which the model gave no vector, as unreadable."""
    if not keys:
        return
    for at, record in enumerate(records):
        if record.key in keys:
            records[at] = msgspec.structs.replace(
                record, unreadable="not embeddable: the embedding model gave no finite vector"
            )


def _prepare_all(shard: Shard, encoder: Encoder, batch_size: int, decode_threads: int) -> Iterator[_Prepared]:
    """Every file of ``shard``, decoded and preprocessed by threads, in file order."""
    ahead = max(batch_size, 2 * decode_threads)
    waiting: deque[Future[_Prepared]] = deque()
    with ThreadPoolExecutor(decode_threads, thread_name_prefix="decode") as pool:
        for file in shard.files():
            waiting.append(pool.submit(_prepare, file, encoder))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare(file: FoundFile, encoder: Encoder) -> _Prepared:
    if file.unreadable is not None:
        return _Prepared(ImageRecord(key=file.key, unreadable=file.unreadable), None)
    content_hash = hashlib.blake2b(file.content, digest_size=16).hexdigest()
    width_px = height_px = 0
    shown = ""
    pixels: NDArray[np.float32] | None = None
    unreadable: str | None = None
    try:
        draft_side_px = DRAFT_OVER_INPUT * encoder.input_side_px
        picture, width_px, height_px = decode_rgb(file.content, draft_side_px=draft_side_px)
        if max(width_px, height_px) > MAX_ASPECT_RATIO * min(width_px, height_px):
            raise UnreadableImageError(f"too narrow: {width_px} x {height_px} pixels")
        pixels = encoder.preprocess(picture)
        shown = picture_hash(picture)
    except UnreadableImageError as error:
        unreadable = str(error)
    record = ImageRecord(
        key=file.key,
        width_px=width_px,
        height_px=height_px,
        size_bytes=len(file.content),
        content_hash=content_hash,
        picture_hash=shown,
        offset_bytes=file.offset_bytes,
        unreadable=unreadable,
    )
    return _Prepared(record, pixels)
