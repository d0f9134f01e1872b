"""Which images are duplicates of a better one.

Comes in: the image table, neighbours, thresholds. Goes out: Duplicate rows, each naming an image that stays,
and which images stay. Images are taken from best to worst (the largest; of equals the one with most copies);
one that nothing better covers stays and covers all its copies. So a duplicate is always a copy of the very
image it names, never only of another duplicate. Two images are copies if their cosine reaches the duplicate
threshold, or if they are related and their perceptual hashes agree. Not its job: related images (see
packing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import SEARCH_SLACK, in_threads
from triptych.grouping.neighbours.inverted_lists import InvertedLists
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import pair_cosines
from triptych.grouping.perceptual_hash import hashes_agree
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.pairs import Graph, Pairs, pairs_from
from triptych.grouping.sets.thresholds import Thresholds
from triptych.progress import Progress
from triptych.records import Duplicate

Reason = Literal["same bytes", "near duplicate", "hashes agree"]


class Corpus(NamedTuple):
    """The images of a run as grouping works on them."""

    image_table: ImageTable
    lists: InvertedLists
    probe_count: int


def same_bytes(content_hashes: Sequence[str], order: NDArray[np.integer] | None = None) -> dict[int, int]:
    """Each image whose bytes one before it in ``order`` (None: of keys) has, with the first such one."""
    first_of: dict[str, int] = {}
    copies: dict[int, int] = {}
    for image in range(len(content_hashes)) if order is None else order.tolist():
        content_hash = content_hashes[image]
        first = first_of.setdefault(content_hash, image) if content_hash else image
        if first != image:
            copies[image] = first
    return copies


def find_duplicates(
    corpus: Corpus,
    neighbours: Neighbours,
    copies: dict[int, int],
    thresholds: Thresholds,
    progress: Progress,
    *,
    distinct: NDArray[np.bool_],
    rank: NDArray[np.integer],
) -> tuple[list[Duplicate], NDArray[np.bool_]]:
    """The duplicates of a run, sorted by key, and a mask ``bool[n]`` of the images that stay.

    ``copies`` are those of the same bytes (see same_bytes); neighbours were looked for among ``distinct``
    images. An image of a lower ``rank`` stays before all of a higher one; one below 0 stays in any case.
    """
    covered = _near_duplicates(corpus, neighbours, distinct, rank, thresholds, progress)
    table = corpus.image_table
    duplicates = [describe(table, thresholds, image, *kept) for image, kept in covered.items()]
    for image, first in copies.items():
        duplicates.append(describe(table, thresholds, image, *covered.get(first, (first, 1.0))))
    stays = distinct.copy()
    stays[list(covered)] = False
    return sorted(duplicates, key=lambda duplicate: duplicate.key), stays


def describe(table: ImageTable, thresholds: Thresholds, image: int, kept: int, cosine: float) -> Duplicate:
    """That ``image`` is a duplicate of ``kept``, and why."""
    reason: Reason = "near duplicate" if cosine >= thresholds.duplicate else "hashes agree"
    if _have_same_bytes(table, image, kept):
        reason, cosine = "same bytes", 1.0
    return Duplicate(
        key=table.keys[image], of=table.keys[kept], reason=reason, cosine_similarity=round(cosine, 6)
    )


def _have_same_bytes(table: ImageTable, one: int, other: int) -> bool:
    return bool(table.content_hashes[one]) and table.content_hashes[one] == table.content_hashes[other]


def _near_duplicates(
    corpus: Corpus,
    neighbours: Neighbours,
    distinct: NDArray[np.bool_],
    rank: NDArray[np.integer],
    thresholds: Thresholds,
    progress: Progress,
) -> dict[int, tuple[int, float]]:
    """Each duplicate, with the image that stays and their cosine."""
    table, vectors = corpus.image_table, corpus.lists.vectors
    lowest = thresholds.related if table.has_picture_hash.any() else thresholds.duplicate
    copies = partial(_are_copies, table, thresholds)
    pairs = pairs_from(neighbours, vectors, lowest, corpus.lists.searcher, distinct, copies)
    graph = Graph(pairs, len(distinct))
    # Every place of its line is as near as most copies are: there may be more copies than places.
    near = (lowest + thresholds.duplicate) / 2
    crowded = neighbours.cosines[:, -1] >= near - SEARCH_SLACK

    def look(image: int) -> tuple[int, NDArray[np.int64]]:
        others = graph.of(image)
        if crowded[image]:
            others = np.union1d(others, _all_near(corpus, image, near, distinct))
        return image, others

    paired = _best_first(table, pairs, rank)
    covered: dict[int, tuple[int, float]] = {}
    stays = rank < 0
    with progress.task("duplicates", len(paired), "images") as task:

        def uncovered() -> Iterator[int]:
            for image in paired.tolist():
                task.advance(1)
                if image not in covered:
                    yield image

        for image, others in in_threads(look, uncovered(), corpus.lists.searcher):
            if image in covered:  # since it was begun
                continue
            ones = np.full(len(others), image)
            cosines = pair_cosines(vectors, ones, others)
            copied = copies(ones, others, cosines)
            if not stays[image] and (already := copied & stays[others]).any():  # its line was too full for it
                best = int(np.argmax(np.where(already, cosines, -np.inf)))
                covered[image] = int(others[best]), float(cosines[best])
                continue
            stays[image] = True
            for other, cosine in zip(others[copied].tolist(), cosines[copied].tolist(), strict=True):
                if other not in covered and not stays[other]:
                    covered[other] = (image, cosine)
    return covered


def _best_first(table: ImageTable, copies: Pairs, rank: NDArray[np.integer]) -> NDArray[np.int64]:
    """The images that have copies: by rank, the largest first, of equals the one with most copies, by key."""
    times = np.bincount(np.concatenate([copies.left, copies.right]), minlength=len(table.keys))
    paired = np.flatnonzero(times)
    order = np.lexsort(
        (paired, -times[paired], -table.size_bytes[paired], -table.pixels[paired], rank[paired])
    )
    best: NDArray[np.int64] = paired[order]
    return best


def are_copies(
    table: ImageTable,
    thresholds: Thresholds,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    cosines: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Whether each two images are copies, by their vectors, hashes or bytes."""
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    same = np.array([_have_same_bytes(table, one, other) for one, other in pairs], bool)
    return same | _are_copies(table, thresholds, left, right, cosines)


def _are_copies(
    table: ImageTable,
    thresholds: Thresholds,
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    cosines: NDArray[np.float32],
) -> NDArray[np.bool_]:
    as_double = cosines.astype(np.float64)  # numpy would round the thresholds to float32
    near = as_double >= thresholds.duplicate
    asked = ~near & (as_double >= thresholds.related)
    asked &= table.has_picture_hash[left] & table.has_picture_hash[right]
    near[asked] = hashes_agree(table.picture_hashes[left[asked]], table.picture_hashes[right[asked]])
    return near


def _all_near(
    corpus: Corpus, image: int, min_cosine: float, distinct: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Every other image of the probed cells that may reach ``min_cosine``."""
    lists = corpus.lists
    vector = lists.vectors.take(np.array([image]))
    cells = lists.searcher.nearest_centroids(vector, lists.centroids, corpus.probe_count)[0]
    near = [
        images[vectors @ vector[0] >= min_cosine - SEARCH_SLACK]
        for cell in cells.tolist()
        for images, vectors in lists.spans(cell)
    ]
    found = np.concatenate(near)
    others: NDArray[np.int64] = found[distinct[found] & (found != image)]
    return others
