"""How many cells have to be probed for an image's neighbours (faiss calls it nprobe).

Comes in: inverted lists. Goes out: a number. It is measured: the true neighbours of a sample of images are
found by a search through everything, and the fewest cells that hold the wanted share of them are taken. The
recall of a finished join is measured on another sample. Not its job: the search (see self_join).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.inverted_lists import VECTORS_AT_ONCE, InvertedLists
from triptych.grouping.neighbours.searcher import Block, Searcher

EXACT_BELOW_IMAGES = 30_000
"""Up to here every cell is searched: about 20 s on two cores at 512 dimensions."""

MAX_PROBES = 128
"""Cells that are searched for one image, at most."""

SAMPLE_IMAGES = 1_024
"""Whose true neighbours are looked for. At a recall of 0.97 its standard error is about 0.003."""

STANDARD_ERRORS = 2.0
"""The wanted recall is to be kept on other images too: so much above it is asked of the sample."""


def choose_probe_count(lists: InvertedLists, searcher: Searcher, count: int, min_recall: float) -> int:
    """The fewest cells an image that surely hold ``min_recall`` of its ``count`` true neighbours."""
    vectors = lists.vectors
    if len(vectors) <= EXACT_BELOW_IMAGES:
        return lists.cells
    images = sample_images(len(vectors), seed=2)
    most = min(MAX_PROBES, lists.cells)
    probed = searcher.nearest_centroids(vectors.take(images), lists.centroids, most)
    home = lists.cell_of[true_neighbours(lists, searcher, images, count)]
    inside = home[:, :, None] == probed[:, None, :]
    needed = np.where(inside.any(axis=2), inside.argmax(axis=2) + 1, most + 1)
    for probes in range(1, most):
        shares = (needed <= probes).mean(axis=1)
        error = float(shares.std()) / len(shares) ** 0.5
        if float(shares.mean()) - STANDARD_ERRORS * error >= min_recall:
            return probes
    return most


def sample_images(images: int, seed: int) -> NDArray[np.int64]:
    """SAMPLE_IMAGES images, ascending; others for another seed."""
    size = min(images, SAMPLE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(images, size, replace=False))


def true_neighbours(
    lists: InvertedLists,
    searcher: Searcher,
    images: NDArray[np.int64],
    count: int,
    candidates: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """``int64[len(images), count]``: the nearest other images, by a search through all; -1 where none is.

    ``candidates`` is a mask over images that may be found; None: all.
    """
    vectors = lists.vectors

    def everything() -> Iterator[Block]:
        for start in range(0, len(vectors), VECTORS_AT_ONCE):
            numbers = lists.order[start : start + VECTORS_AT_ONCE]
            units = vectors.span(start, start + VECTORS_AT_ONCE)
            inside = slice(None) if candidates is None else candidates[numbers]
            yield Block(numbers[inside], units[inside])

    found, cosines = searcher.search(vectors.take(images), everything(), count + 1)
    return without_self(images, found, cosines)[0]


def without_self(
    images: NDArray[np.int64], found: NDArray[np.int64], cosines: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each line of ``found`` without the image itself, one shorter.

    An image that equals crowd out of its own line costs the line its last place.
    """
    keep = found != images[:, None]
    keep[keep.all(axis=1), -1] = False
    shape = (len(found), found.shape[1] - 1)
    return found[keep].reshape(shape), cosines[keep].reshape(shape)
