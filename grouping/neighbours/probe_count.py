"""How many cells have to be searched for an image's neighbours.

Comes in: a layout. Goes out: a number. It is measured: the true neighbours of a sample of images are
found by a search through everything, and the fewest cells that hold the wanted share of them are taken.
What a join then found is held against another sample. Not its job: the search (see selfjoin).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.faiss_search import Block, Searcher
from triptych.grouping.neighbours.inverted_lists import ROWS_AT_ONCE, Layout

EXACT_BELOW_IMAGES = 30_000
"""Up to here every cell is searched: about 20 s on two cores at 512 dimensions."""

MOST_SEARCHED = 128
"""Cells that are searched for one image, at most."""

SAMPLE_IMAGES = 1_024
"""Whose true neighbours are looked for. At a recall of 0.97 its standard error is about 0.003."""

STANDARD_ERRORS = 2.0
"""The wanted recall is to be kept on other images too: so much above it is asked of the sample."""


def searched_cells(layout: Layout, searcher: Searcher, count: int, wanted_recall: float) -> int:
    """The fewest cells an image that surely hold ``wanted_recall`` of the ``count`` true neighbours."""
    rows = layout.rows
    if len(rows) <= EXACT_BELOW_IMAGES:
        return layout.cells
    images = sample_images(len(rows), seed=2)
    most = min(MOST_SEARCHED, layout.cells)
    reach = searcher.among(rows.take(images), layout.centres, most)
    home = layout.cell_of[true_neighbours(layout, searcher, images, count)]
    inside = home[:, :, None] == reach[:, None, :]
    needed = np.where(inside.any(axis=2), inside.argmax(axis=2) + 1, most + 1)
    for cells in range(1, most):
        shares = (needed <= cells).mean(axis=1)
        error = float(shares.std()) / len(shares) ** 0.5
        if float(shares.mean()) - STANDARD_ERRORS * error >= wanted_recall:
            return cells
    return most


def sample_images(images: int, seed: int) -> NDArray[np.int64]:
    """SAMPLE_IMAGES images of all, ascending; others for another seed."""
    size = min(images, SAMPLE_IMAGES)
    return np.sort(np.random.default_rng(seed).choice(images, size, replace=False))


def true_neighbours(
    layout: Layout,
    searcher: Searcher,
    images: NDArray[np.int64],
    count: int,
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """``int64[len(images), count]``: the nearest other images, by a search through all; -1 where none is."""
    rows = layout.rows

    def everything() -> Iterator[Block]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            numbers = layout.order[start : start + ROWS_AT_ONCE]
            units = rows.span(start, start + ROWS_AT_ONCE)
            inside = slice(None) if among is None else among[numbers]
            yield Block(numbers[inside], units[inside])

    found, cosines = searcher.in_blocks(rows.take(images), everything(), count + 1)
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
