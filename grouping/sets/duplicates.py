"""Images that show the same as a better one, set aside.

Comes in: the table, neighbours, bounds. Goes out: Duplicate rows, each naming an image that stays,
and which images stay. Images are taken from best to worst (the largest; of equals the one with most
copies); one that nothing better covers stays and covers all its copies. So a duplicate is always a copy
of the very image it names, never only of another duplicate. Two images are copies if their cosine
reaches the duplicate bound, or if it reaches a lower one and their perceptual hashes agree. Not its
job: related images (see sets).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.neighbours.faiss_search import SEARCH_SLACK, Searcher
from triptych.grouping.neighbours.inverted_lists import ROWS_AT_ONCE, Layout
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitRows, pair_cosines
from triptych.grouping.neighbours.workers import in_threads
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.pairs import Graph, Pairs, pairs_from
from triptych.grouping.sets.perceptual_hash import MOST_BITS_APART, bits_apart
from triptych.grouping.sets.thresholds import Band
from triptych.progress import Progress
from triptych.records import Duplicate

Reason = Literal["same bytes", "near duplicate", "hashes agree"]


class Corpus(NamedTuple):
    """The images of a run as grouping works on them."""

    table: ImageTable
    layout: Layout
    rows: UnitRows
    searcher: Searcher
    cells_searched: int


def same_bytes(content_hashes: Sequence[str]) -> dict[int, int]:
    """Each image whose bytes an earlier one (of a smaller key) has, with that one."""
    first_of: dict[str, int] = {}
    copies: dict[int, int] = {}
    for image, content_hash in enumerate(content_hashes):
        first = first_of.setdefault(content_hash, image) if content_hash else image
        if first != image:
            copies[image] = first
    return copies


def find_duplicates(
    corpus: Corpus, neighbours: Neighbours, copies: dict[int, int], band: Band, progress: Progress
) -> tuple[list[Duplicate], NDArray[np.bool_]]:
    """The duplicates of a run, sorted by key, and a mask of the images that stay.

    ``copies`` are those of the same bytes (see same_bytes), among which no neighbours were looked for.
    """
    distinct = np.ones(len(corpus.table.keys), bool)
    distinct[list(copies)] = False
    nearer = _near_duplicates(corpus, neighbours, distinct, band, progress)
    duplicates = [
        _describe(corpus.table, image, kept, band, cosine) for image, (kept, cosine) in nearer.items()
    ]
    for image, first in copies.items():
        if first in nearer:
            kept, cosine = nearer[first]
            duplicates.append(_describe(corpus.table, image, kept, band, cosine))
        else:
            duplicates.append(
                Duplicate(
                    key=corpus.table.keys[image],
                    of=corpus.table.keys[first],
                    reason="same bytes",
                    cosine_similarity=1.0,
                )
            )
    stays = distinct
    stays[list(nearer)] = False
    return sorted(duplicates, key=lambda duplicate: duplicate.key), stays


def _near_duplicates(
    corpus: Corpus, neighbours: Neighbours, distinct: NDArray[np.bool_], band: Band, progress: Progress
) -> dict[int, tuple[int, float]]:
    """Each image that is set aside, with the one that stays and their cosine."""
    lowest = band.hashes_decide_from if corpus.table.has_picture_hash.any() else band.duplicate
    pairs = pairs_from(neighbours, corpus.rows, lowest, corpus.searcher, distinct)
    pairs = pairs.where(_are_copies(corpus.table, pairs.left, pairs.right, pairs.cosines, band))
    graph = Graph(pairs, len(distinct))
    # Every place of its line is as near as a copy: there may be more copies than places.
    crowded = neighbours.cosines[:, -1] >= lowest - SEARCH_SLACK

    def look(image: int) -> tuple[int, NDArray[np.int64]]:
        others = graph.of(image)
        if crowded[image]:
            others = np.union1d(others, _all_near(corpus, image, lowest, distinct))
        return image, others

    paired = _best_first(corpus.table, pairs)
    covered: dict[int, tuple[int, float]] = {}
    stays = np.zeros(len(distinct), bool)
    with progress.task("duplicates", len(paired), "images") as task:

        def uncovered() -> Iterator[int]:
            for image in paired.tolist():
                task.advance(1)
                if image not in covered:
                    yield image

        for image, others in in_threads(look, uncovered(), corpus.searcher):
            if image in covered:  # since it was begun
                continue
            stays[image] = True
            ones = np.full(len(others), image)
            cosines = pair_cosines(corpus.rows, ones, others)
            copied = _are_copies(corpus.table, ones, others, cosines, band)
            for other, cosine in zip(others[copied].tolist(), cosines[copied].tolist(), strict=True):
                if other not in covered and not stays[other]:
                    covered[other] = (image, cosine)
    return covered


def _best_first(table: ImageTable, copies: Pairs) -> NDArray[np.int64]:
    """The images that have copies: the largest first, of equals the one with most copies, then by key."""
    times = np.bincount(np.concatenate([copies.left, copies.right]), minlength=len(table.keys))
    paired = np.flatnonzero(times)
    order = np.lexsort((paired, -times[paired], -table.size_bytes[paired], -table.pixels[paired]))
    best: NDArray[np.int64] = paired[order]
    return best


def _are_copies(
    table: ImageTable,
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    cosines: NDArray[np.float32],
    band: Band,
) -> NDArray[np.bool_]:
    as_double = cosines.astype(np.float64)  # numpy would round the bounds to float32
    near = as_double >= band.duplicate
    asked = ~near & (as_double >= band.hashes_decide_from)
    asked &= table.has_picture_hash[left] & table.has_picture_hash[right]
    apart = bits_apart(table.picture_hashes[left[asked]], table.picture_hashes[right[asked]])
    near[asked] = apart <= MOST_BITS_APART
    return near


def _all_near(corpus: Corpus, image: int, at_least: float, distinct: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Every other image of the searched cells that may reach ``at_least``."""
    layout, rows = corpus.layout, corpus.rows
    row = rows.take(np.array([image]))
    near = []
    for cell in corpus.searcher.among(row, layout.centres, corpus.cells_searched)[0].tolist():
        end = int(layout.starts[cell + 1])
        for start in range(int(layout.starts[cell]), end, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, end)
            enough = rows.span(start, stop) @ row[0] >= at_least - SEARCH_SLACK
            near.append(layout.order[start:stop][enough])
    found = np.concatenate(near)
    others: NDArray[np.int64] = found[distinct[found] & (found != image)]
    return others


def _describe(table: ImageTable, image: int, kept: int, band: Band, cosine: float) -> Duplicate:
    reason: Reason = "near duplicate" if cosine >= band.duplicate else "hashes agree"
    return Duplicate(
        key=table.keys[image], of=table.keys[kept], reason=reason, cosine_similarity=round(cosine, 6)
    )
