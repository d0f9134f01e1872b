"""A table of the readable images, in columns, sorted by key.

Comes in: a run's images and embeddings. Goes out: an ImageTable whose order doesn't depend on how the images
were sharded; embeddings stay in their files. Not its job: an index of them (see inverted_lists).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

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
    parts: list[ImageTable] = []
    """Of each shard, since records take four times as much memory as columns."""
    first = dimensions = 0
    for shard in run.shards():
        embedded = [record for record in run.images(shard) if record.is_embedded]
        is_taken = np.array([not record.is_gone and record.key not in without for record in embedded], bool)
        readable = list(compress(embedded, is_taken))
        path = run.embeddings_file(shard)
        width = _check(path, len(embedded))
        if dimensions and width != dimensions:
            raise _damaged(path, f"{width} dimensions, {dimensions} in the shard before")
        dimensions = width
        load = partial(np.load, path, mmap_mode="r")
        if len(readable) < len(embedded):
            load = partial(_load_rows, path, np.flatnonzero(is_taken))
        block = StoredBlock(np.arange(first, first + len(readable)), load)
        parts.append(_columns(readable, [block], dimensions, [batch_of.get(shard, 0)] * len(readable)))
        first += len(readable)
    return _sorted_by_key(parts or [_columns([], [], 0, [])])


def _load_rows(path: Path, rows: NDArray[np.int64]) -> NDArray[np.float16]:
    stored: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return stored[rows]


def make_image_table(
    records: Sequence[ImageRecord],
    stored: Sequence[StoredBlock],
    dimensions: int,
    batches: Sequence[int] = (),
) -> ImageTable:
    """From readable images in any order. ``stored`` numbers them by position in ``records``."""
    return _sorted_by_key([_columns(records, stored, dimensions, batches)])


def _columns(
    records: Sequence[ImageRecord], stored: Sequence[StoredBlock], dimensions: int, batches: Sequence[int]
) -> ImageTable:
    """A table in the order of ``records``."""
    hashes = [bytes.fromhex(each.picture_hash) for each in records]
    packed = b"".join(each or bytes(HASH_BYTES) for each in hashes)
    return ImageTable(
        keys=[each.key for each in records],
        pixels=np.array([each.width_px * each.height_px for each in records], np.int64),
        size_bytes=np.array([each.size_bytes for each in records], np.int64),
        content_hashes=[each.content_hash for each in records],
        picture_hashes=np.frombuffer(packed, np.uint8).reshape(-1, HASH_BYTES),
        has_picture_hash=np.array([bool(each) for each in hashes], bool),
        blocks=list(stored),
        dimensions=dimensions,
        batches=np.array(batches or [0] * len(records), np.int32),
    )


def _sorted_by_key(parts: Sequence[ImageTable]) -> ImageTable:
    """One table of all ``parts``, whose blocks number images by position in the parts joined together."""
    keys = [key for part in parts for key in part.keys]
    content_hashes = [each for part in parts for each in part.content_hashes]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    number = np.empty(len(keys), np.int64)
    number[order] = np.arange(len(keys))

    def column(name: str) -> NDArray[Any]:
        joined: NDArray[Any] = np.concatenate([getattr(part, name) for part in parts])[order]
        return joined

    return ImageTable(
        keys=[keys[at] for at in order],
        pixels=column("pixels"),
        size_bytes=column("size_bytes"),
        content_hashes=[content_hashes[at] for at in order],
        picture_hashes=column("picture_hashes"),
        has_picture_hash=column("has_picture_hash"),
        blocks=[StoredBlock(number[each.images], each.load) for part in parts for each in part.blocks],
        dimensions=parts[-1].dimensions,
        batches=column("batches"),
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
