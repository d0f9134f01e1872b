"""Finds images that are duplicates of a better one.

Comes in: the image table, neighbours, thresholds. Goes out: Duplicate rows, each naming an image that is
kept, and a mask of kept images. Images are visited from best to worst (largest first; among equals, most
copies first). An image that isn't a copy of a kept one is kept itself, and all its copies become its
duplicates. So a duplicate is always a copy of the image it names, never just of another duplicate. Two images
are copies if their cosine reaches the duplicate threshold, or if they are related and their perceptual hashes
agree. Not its job: related images (see packing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours import SEARCH_SLACK, map_in_threads
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
    """The images to group, their index, and the number of cells to probe."""

    image_table: ImageTable
    lists: InvertedLists
    probe_count: int


def copies_by_bytes(
    content_hashes: Sequence[str], order: NDArray[np.integer] | None = None
) -> dict[int, int]:
    """Maps images to the first one with the same bytes in ``order`` (None: key order), which is left out."""
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
    """The duplicates, sorted by key, and a mask ``bool[n]`` of the images that are kept.

    ``copies`` are from copies_by_bytes; ``neighbours`` were searched among ``distinct`` images. Images of
    lower ``rank``, ``int[n]``, are kept in preference to those of higher rank; those below 0 always.
    """
    covered = _near_duplicates(corpus, neighbours, distinct, rank, thresholds, progress)
    table = corpus.image_table
    duplicates = [make_duplicate(table, thresholds, image, *kept) for image, kept in covered.items()]
    for image, first in copies.items():
        duplicates.append(make_duplicate(table, thresholds, image, *covered.get(first, (first, 1.0))))
    is_kept = distinct.copy()
    is_kept[list(covered)] = False
    return sorted(duplicates, key=lambda duplicate: duplicate.key), is_kept


def make_duplicate(
    table: ImageTable, thresholds: Thresholds, image: int, kept: int, cosine: float
) -> Duplicate:
    """The record of ``image`` as a duplicate of ``kept``, with the reason."""
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
    """Maps each duplicate to the image that is kept and their cosine."""
    table, vectors = corpus.image_table, corpus.lists.vectors
    lowest = thresholds.related if table.has_picture_hash.any() else thresholds.duplicate
    copy_filter = partial(_are_copies, table, thresholds)
    pairs = pairs_from(neighbours, vectors, lowest, corpus.lists.searcher, distinct, copy_filter)
    graph = Graph(pairs, len(distinct))
    # If even the last neighbour of an image may be a copy, there may be more copies than neighbours.
    near = (lowest + thresholds.duplicate) / 2
    is_crowded = neighbours.cosines[:, -1] >= near - SEARCH_SLACK

    def possible_copies(image: int) -> tuple[int, NDArray[np.int64]]:
        others = graph.of(image)
        if is_crowded[image]:
            others = np.union1d(others, _all_near(corpus, image, near, distinct))
        return image, others

    paired = _best_first(table, pairs, rank)
    covered: dict[int, tuple[int, float]] = {}
    is_kept = rank < 0
    with progress.task("duplicates", len(paired), "images") as task:

        def uncovered() -> Iterator[int]:
            for image in paired.tolist():
                task.advance(1)
                if image not in covered:
                    yield image

        for image, others in map_in_threads(possible_copies, uncovered(), corpus.lists.searcher):
            if image in covered:  # since it was submitted
                continue
            image_repeated = np.full(len(others), image)
            cosines = pair_cosines(vectors, image_repeated, others)
            is_copy = copy_filter(image_repeated, others, cosines)
            # A kept image may have missed this copy, if its own neighbours were too many.
            if not is_kept[image] and (kept := is_copy & is_kept[others]).any():
                best = int(np.argmax(np.where(kept, cosines, -np.inf)))
                covered[image] = int(others[best]), float(cosines[best])
                continue
            is_kept[image] = True
            for other, cosine in zip(others[is_copy].tolist(), cosines[is_copy].tolist(), strict=True):
                if other not in covered and not is_kept[other]:
                    covered[other] = (image, cosine)
    return covered


def _best_first(table: ImageTable, copies: Pairs, rank: NDArray[np.integer]) -> NDArray[np.int64]:
    """Images that have copies, by rank, size (largest first), number of copies (most first) and key."""
    counts = np.bincount(np.concatenate([copies.left, copies.right]), minlength=len(table.keys))
    paired = np.flatnonzero(counts)
    order = np.lexsort(
        (paired, -counts[paired], -table.size_bytes[paired], -table.pixels[paired], rank[paired])
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
    """``bool[n]``: whether each pair of images are copies, by vectors, hashes or bytes."""
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
    as_double = cosines.astype(np.float64)  # otherwise numpy rounds the thresholds to float32
    is_copy = as_double >= thresholds.duplicate
    unsure = ~is_copy & (as_double >= thresholds.related)
    unsure &= table.has_picture_hash[left] & table.has_picture_hash[right]
    is_copy[unsure] = hashes_agree(table.picture_hashes[left[unsure]], table.picture_hashes[right[unsure]])
    return is_copy


def _all_near(
    corpus: Corpus, image: int, min_cosine: float, distinct: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """All other images in the probed cells that may reach ``min_cosine``."""
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
