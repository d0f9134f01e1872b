"""All embeddings of a run as one matrix, in key order, and cosines between its rows.

Comes in: a run's images and embeddings. Goes out: records and unit vectors whose order doesn't
depend on how the images were sharded. Not its job: finding neighbours (see neighbours).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.errors import SetupError
from corpus.records import ImageRecord
from corpus.runfolder import RunFolder

PAIRS_AT_ONCE = 65_536
"""Pairs gathered at a time: two blocks of this many rows, 256 MB at 512 dimensions."""


class Vectors(NamedTuple):
    """The readable images of a run, sorted by key.

    ``units`` is ``float32[n, dim]``: the stored float16 rows, brought back to length 1.
    """

    records: list[ImageRecord]
    units: NDArray[np.float32]


def load_vectors(run: RunFolder) -> Vectors:
    """Every readable image and its vector.

    Raises SetupError where a shard's embeddings don't match its images: another number of rows,
    another width than the other shards', or values that aren't finite.
    """
    records: list[ImageRecord] = []
    blocks: list[NDArray[np.float16]] = []
    for shard in run.shards():
        readable = [record for record in run.images(shard) if record.unreadable is None]
        rows = _load_rows(run, shard, len(readable))
        if blocks and rows.shape[1] != blocks[0].shape[1]:
            raise _damaged(
                run, shard, f"{rows.shape[1]} dimensions, {blocks[0].shape[1]} in the shard before"
            )
        records += readable
        blocks.append(rows)
    if not records:
        return Vectors([], np.zeros((0, 1), np.float32))
    order = sorted(range(len(records)), key=lambda at: records[at].key)
    units = np.concatenate(blocks)[order].astype(np.float32)
    units /= np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]
    return Vectors([records[at] for at in order], units)


def pair_cosines(
    units: NDArray[np.float32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The cosine of every pair ``(left[i], right[i])`` of rows, in [-1, 1].

    The one place where a cosine that decides something is computed: the same bits for (a, b) as for
    (b, a), whatever else is asked at the same time, which a matrix product doesn't promise.
    """
    cosines = np.empty(len(left), np.float32)
    for start in range(0, len(left), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        cosines[some] = np.einsum("ij,ij->i", units[left[some]], units[right[some]])
    return np.clip(cosines, -1.0, 1.0)


def _load_rows(run: RunFolder, shard: str, expected: int) -> NDArray[np.float16]:
    path = run.embeddings_file(shard)
    try:
        rows: NDArray[np.float16] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(run, shard, f"it can't be read ({error})") from None
    if rows.ndim != 2 or len(rows) != expected:
        raise _damaged(run, shard, f"shape {rows.shape} for {expected} readable images")
    if not (np.isfinite(rows).all() and rows.any(axis=1).all()):
        raise _damaged(run, shard, "rows that are not finite or all zero")
    return rows


def _damaged(run: RunFolder, shard: str, found: str) -> SetupError:
    return SetupError(
        f"{run.embeddings_file(shard)} is damaged: {found};"
        " expected one row of one width a readable image: make it again with --fresh embeddings"
    )
