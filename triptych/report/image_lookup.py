"""Where images are in the run, and their embeddings.

Comes in: keys. Goes out: each image's record, shard and row; unit vectors. Embeddings are mapped, not
loaded. Not its job: comparing them (see neighbours).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.progress import Progress
from triptych.records import ImageRecord
from triptych.report.sampling import Draw
from triptych.runs.folder import RunFolder
from triptych.runs.ledger.images import reason_class

SAMPLED_IMAGES = 256
"""Drawn evenly from the images that stay; their 32,640 pairs stand for all pairs."""
UNREADABLE_PER_CLASS = 5


class LocatedImage(NamedTuple):
    """A readable image: its shard, and its row in the shard's embeddings."""

    record: ImageRecord
    shard: str
    row: int


class Located(NamedTuple):
    """What one pass over the images found."""

    of_key: dict[str, LocatedImage]
    sample: list[LocatedImage]
    unreadable: dict[str, list[tuple[str, str]]]
    """By class: ``(key, reason)`` of a few."""


def locate(run: RunFolder, keys: set[str], duplicates: set[str], progress: Progress) -> Located:
    """The images ``keys``, a sample of those that are no ``duplicates``, and of those that can't be read."""
    of_key: dict[str, LocatedImage] = {}
    sample: Draw[LocatedImage] = Draw(SAMPLED_IMAGES)
    unreadable: dict[str, Draw[tuple[str, str]]] = {}
    with progress.task("report images", None, "images") as task:
        for shard in run.shards():
            row = 0
            for record in run.images(shard):
                task.advance(1)
                if record.unreadable is not None:
                    draw = unreadable.setdefault(reason_class(record.unreadable), Draw(UNREADABLE_PER_CLASS))
                    draw.offer(record.key, (record.key, record.unreadable))
                    continue
                image = LocatedImage(record, shard, row)
                row += 1
                if record.key in keys:
                    of_key[record.key] = image
                if record.key not in duplicates:
                    sample.offer(record.key, image)
    examples = {name: draw.taken() for name, draw in sorted(unreadable.items())}
    return Located(of_key, sample.taken(), examples)


def unit_vectors(run: RunFolder, images: Sequence[LocatedImage]) -> NDArray[np.float32]:
    """``float32[len(images), dim]``, each of length 1."""
    rows_of = {shard: mapped_rows(run, shard) for shard in {image.shard for image in images}}
    if not images:
        return np.zeros((0, 1), np.float32)
    try:
        return normalised(np.stack([rows_of[image.shard][image.row] for image in images]))
    except (IndexError, ValueError) as error:
        raise SetupError(
            f"embeddings of {run.path} don't fit its images ({error});"
            f" `triptych verify {run.path}` says where, --fresh embeddings makes them again"
        ) from None


def mapped_rows(run: RunFolder, shard: str) -> NDArray[np.float16]:
    """The embeddings of a shard, not yet read. Raises SetupError where they can't be."""
    path = run.embeddings_file(shard)
    try:
        rows: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SetupError(
            f"{path} can't be read ({error}); expected the embeddings of {shard}:"
            " make them again with --fresh embeddings"
        ) from None
    return rows


def normalised(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """Stored rows brought back to length 1."""
    units = rows.astype(np.float32)
    units /= np.maximum(np.sqrt(np.einsum("ij,ij->i", units, units)), 1e-12)[:, None]
    return units


def blocks(run: RunFolder, shard: str, rows_at_once: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """``(first row, unit vectors)`` of a shard, a block at a time."""
    rows = mapped_rows(run, shard)
    for start in range(0, len(rows), rows_at_once):
        yield start, normalised(rows[start : start + rows_at_once])
