"""A table of the readable images, in columns, sorted by key.

Comes in: a run's images and embeddings. Goes out: an ImageTable whose order doesn't depend on how the images
were sharded; embeddings stay in their files. Not its job: an index of them (see inverted_lists).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import partial
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE, StoredBlock
from triptych.grouping.perceptual_hash import HASH_BYTES
from triptych.records import ImageRecord, content_of
from triptych.runs.arrays import map_embeddings
from triptych.runs.folder import RunFolder
from triptych.runs.missing_sources import listed_shards


class ImageTable(NamedTuple):
    """Image i of n is the i-th readable image by key. Arrays have length n."""

    keys: list[str]
    pixels: NDArray[np.int64]
    """Width times height; 0 if only an embedding is known."""
    size_bytes: NDArray[np.int64]
    content_hashes: list[str]
    """Empty if only an embedding is known."""
    picture_hashes: NDArray[np.uint8]
    """``uint8[n, HASH_BYTES]``; zeros where ``has_picture_hash`` is False."""
    has_picture_hash: NDArray[np.bool_]
    blocks: list[StoredBlock]
    dimensions: int
    batches: NDArray[np.int32]
    """Number of the addition to the run with which each image came (see ListedShard)."""

    def content_of(self, images: Sequence[int]) -> str:
        """A digest of the contents of ``images``, in their order (see records.content_of)."""
        return content_of([self.content_hashes[image] for image in images])


def load_image_table(run: RunFolder, without: Set[str] = frozenset()) -> ImageTable:
    """All readable images whose key isn't in ``without``.

    Raises SetupError if a shard's embeddings have another number of rows than it has images, another
    dimension than those of other shards, or values that aren't finite.
    """
    batch_of = {each.name: each.batch for each in listed_shards(run)}
    records: list[ImageRecord] = []
    batches: list[int] = []
    stored: list[StoredBlock] = []
    dimensions = 0
    for shard in run.shards():
        embedded = [record for record in run.images(shard) if record.is_embedded]
        is_taken = np.array([not record.is_gone and record.key not in without for record in embedded], bool)
        readable = list(compress(embedded, is_taken))
        path = run.embeddings_file(shard)
        width = _check(path, len(embedded))
        if dimensions and width != dimensions:
            raise _damaged(path, f"{width} dimensions, {dimensions} in the shard before")
        dimensions = width
        places = np.arange(len(records), len(records) + len(readable))
        records += readable
        batches += [batch_of.get(shard, 0)] * len(readable)
        load = partial(np.load, path, mmap_mode="r")
        if len(readable) < len(embedded):
            load = partial(_load_rows, path, np.flatnonzero(is_taken))
        stored.append(StoredBlock(places, load))
    return make_image_table(records, stored, dimensions, batches)


def _load_rows(path: Path, rows: NDArray[np.int64]) -> NDArray[np.float16]:
    stored: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return stored[rows]


def make_image_table(
    records: Sequence[ImageRecord],
    stored: Iterable[StoredBlock],
    dimensions: int,
    batches: Sequence[int] = (),
) -> ImageTable:
    """From readable images in any order. ``stored`` numbers them by position in ``records``."""
    order = sorted(range(len(records)), key=lambda at: records[at].key)
    number = np.empty(len(records), np.int64)
    number[order] = np.arange(len(records))
    hashes = np.zeros((len(records), HASH_BYTES), np.uint8)
    has_hash = np.zeros(len(records), bool)
    for image, at in enumerate(order):
        if records[at].picture_hash:
            hashes[image] = np.frombuffer(bytes.fromhex(records[at].picture_hash), np.uint8)
            has_hash[image] = True
    return ImageTable(
        keys=[records[at].key for at in order],
        pixels=np.array([records[at].width_px * records[at].height_px for at in order], np.int64),
        size_bytes=np.array([records[at].size_bytes for at in order], np.int64),
        content_hashes=[records[at].content_hash for at in order],
        picture_hashes=hashes,
        has_picture_hash=has_hash,
        blocks=[StoredBlock(number[block.images], block.load) for block in stored],
        dimensions=dimensions,
        batches=np.array([batches[at] for at in order] if batches else np.zeros(len(order)), np.int32),
    )


def _check(path: Path, expected: int) -> int:
    """The dimension of the rows in ``path``. Raises SetupError unless there are ``expected`` valid ones."""
    rows = map_embeddings(path, expected)
    for start in range(0, len(rows), VECTORS_AT_ONCE):
        some = rows[start : start + VECTORS_AT_ONCE]
        if not (np.isfinite(some).all() and some.any(axis=1).all()):
            raise _damaged(path, "rows that are not finite or all zero")
    return int(rows.shape[1])


def _damaged(path: Path, found: str) -> SetupError:
    return SetupError(
        f"{path} is damaged: {found}; expected one row of the same dimension per readable image:"
        " `triptych repair` sets the file aside, or make all again with --fresh embeddings"
    )
