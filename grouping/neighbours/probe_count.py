"""Chooses how many cells to probe per image (faiss's nprobe), and measures the recall.

Comes in: inverted lists, a finished join. Goes out: a number, a recall. The number is the smallest that
reaches the wanted recall on a sample of images, whose true neighbours are found by an exhaustive search. The
recall of a finished join is measured on another sample. Not its job: the search (see self_join).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE, InvertedLists
from triptych.grouping.neighbours.self_join import Neighbours, without_self
from triptych.grouping.neighbours.unit_vectors import Block

EXACT_BELOW_IMAGES = 30_000
"""Up to this many images, all cells are searched: about 20 s on two cores at 512 dimensions."""

MAX_PROBES = 128
"""Most cells to search for one image."""

SAMPLE_IMAGES = 1_024
"""Size of a sample. At a recall of 0.97, the standard error is about 0.003."""

STANDARD_ERRORS = 2.0
"""By which the sample must exceed the wanted recall, so that other images reach it too."""


def choose_probe_count(lists: InvertedLists, count: int, min_recall: float) -> int:
    """The fewest cells to probe per image that contain ``min_recall`` of its ``count`` true neighbours."""
    vectors = lists.vectors
    if len(vectors) <= EXACT_BELOW_IMAGES:
        return lists.cells
    images = sample_images(len(vectors), seed=2)
    most = min(MAX_PROBES, lists.cells)
    probed = lists.searcher.nearest_centroids(vectors.take(images), lists.centroids, most)
    neighbour_cells = lists.cell_of[true_neighbours(lists, images, count)[0]]
    inside = neighbour_cells[:, :, None] == probed[:, None, :]
    needed = np.where(inside.any(axis=2), inside.argmax(axis=2) + 1, most + 1)
    for probes in range(1, most):
        shares = (needed <= probes).mean(axis=1)
        error = float(shares.std()) / len(shares) ** 0.5
        if float(shares.mean()) - STANDARD_ERRORS * error >= min_recall:
            return probes
    return most


def sample_images(images: int, seed: int) -> NDArray[np.int64]:
    """A sorted random sample of up to SAMPLE_IMAGES image numbers."""
    size = min(images, SAMPLE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(images, size, replace=False))


def true_neighbours(
    lists: InvertedLists,
    images: NDArray[np.int64],
    count: int,
    candidates: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest other images ``int64[len(images), count]``, padded with -1, by an exhaustive search.

    Also returns their cosines, accurate to SEARCH_SLACK. ``candidates`` masks the images to find.
    """
    vectors, everyone = lists.vectors, np.arange(len(images))

    def everything() -> Iterator[Block]:
        for start in range(0, len(vectors), VECTORS_AT_ONCE):
            numbers = lists.order[start : start + VECTORS_AT_ONCE]
            units = vectors.span(start, start + VECTORS_AT_ONCE)
            inside = slice(None) if candidates is None else candidates[numbers]
            yield Block(numbers[inside], units[inside], everyone)

    found, cosines = lists.searcher.search(vectors.take(images), everything(), count + 1)
    return without_self(images, found, cosines)


def measure_recall(
    lists: InvertedLists,
    neighbours: Neighbours,
    count: int,
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """The share of the ``count`` true neighbours in ``neighbours``, for a sample of images.

    ``mask``: the images that took part in the search; None means all.
    """
    images = sample_images(len(lists.vectors), seed=3)
    if mask is not None:
        images = images[mask[images]]
    truth, _ = true_neighbours(lists, images, count, mask)
    wanted = hits = 0
    for image, others in zip(images.tolist(), truth, strict=True):
        wanted += int((others >= 0).sum())
        hits += int(np.isin(others[others >= 0], neighbours.images[image]).sum())
    return hits / wanted if wanted else 1.0
