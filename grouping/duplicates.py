"""Images that show the same as a better one, set aside.

Comes in: records and vectors in key order. Goes out: Duplicate rows, each naming an image that stays,
and the rows that stay. Images are taken from best to worst; one that nothing better covers stays and
covers all that are near it. So a duplicate is always near the very image it names, never only near
another duplicate, and no two images that stay are near. Not its job: related images (see sets).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus.records import Duplicate, ImageRecord
from grouping.neighbours import NeighbourSearch
from grouping.vectors import Vectors, pair_cosines

Reason = Literal["same bytes", "near duplicate"]

QUERIES_AT_ONCE = 256
"""Rows searched at a time, which bounds what a corpus of equal pictures can bring into memory."""


def find_duplicates(vectors: Vectors, duplicate_bound: float) -> tuple[list[Duplicate], NDArray[np.int64]]:
    """The duplicates of a run, sorted by key, and the rows of ``vectors`` that stay, ascending.

    Same bytes are found by content hash, near duplicates by a cosine of at least ``duplicate_bound``.
    """
    copies = _same_bytes(vectors.records)
    distinct = np.array([row for row in range(len(vectors.records)) if row not in copies], np.int64)
    nearer = _near_duplicates(vectors, distinct, duplicate_bound)
    duplicates = [
        _describe(vectors.records, row, kept, "near duplicate", cosine)
        for row, (kept, cosine) in nearer.items()
    ]
    for row, first in copies.items():
        if first in nearer:
            kept, cosine = nearer[first]
            duplicates.append(_describe(vectors.records, row, kept, "near duplicate", cosine))
        else:
            duplicates.append(_describe(vectors.records, row, first, "same bytes", 1.0))
    stays = np.array([row for row in distinct.tolist() if row not in nearer], np.int64)
    return sorted(duplicates, key=lambda duplicate: duplicate.key), stays


def _same_bytes(records: list[ImageRecord]) -> dict[int, int]:
    """Each row whose bytes an earlier row (of a smaller key) has, with that row."""
    first_of: dict[str, int] = {}
    copies: dict[int, int] = {}
    for row, record in enumerate(records):
        first = first_of.setdefault(record.content_hash, row) if record.content_hash else row
        if first != row:
            copies[row] = first
    return copies


def _near_duplicates(vectors: Vectors, rows: NDArray[np.int64], bound: float) -> dict[int, tuple[int, float]]:
    """Each of ``rows`` that is set aside, with the row that stays and their cosine."""
    best_first = sorted(range(len(rows)), key=lambda at: _quality(vectors.records[rows[at]]))
    search = NeighbourSearch(vectors.units[rows])
    stays = np.zeros(len(rows), bool)
    covered: dict[int, tuple[int, float]] = {}
    for start in range(0, len(best_first), QUERIES_AT_ONCE):
        queries = [at for at in best_first[start : start + QUERIES_AT_ONCE] if at not in covered]
        for query, others in zip(queries, search.within(np.array(queries, np.int64), bound), strict=True):
            if query in covered:
                continue
            stays[query] = True
            cosines = pair_cosines(vectors.units, np.full(len(others), rows[query]), rows[others])
            for other, cosine in zip(others.tolist(), cosines.tolist(), strict=True):
                if cosine >= bound and other not in covered and not stays[other]:
                    covered[other] = (query, cosine)
    return {int(rows[at]): (int(rows[kept]), cosine) for at, (kept, cosine) in covered.items()}


def _quality(record: ImageRecord) -> tuple[int, int, str]:
    """Sorts the image to keep first: most pixels, then most bytes, then smallest key."""
    return (-record.width_px * record.height_px, -record.size_bytes, record.key)


def _describe(records: list[ImageRecord], row: int, kept: int, reason: Reason, cosine: float) -> Duplicate:
    return Duplicate(
        key=records[row].key, of=records[kept].key, reason=reason, cosine_similarity=round(cosine, 6)
    )
