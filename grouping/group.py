"""From stored embeddings to duplicates and sets.

Comes in: a table of images, a config, a scratch folder. Goes out: duplicates, sets, and the figures
worth remembering. Work that takes long leaves checkpoints in the scratch folder, so that a killed
run goes on. Not its job: where embeddings come from, and where results go (see stage).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.faiss_search import SEARCH_SLACK
from triptych.grouping.neighbours.inverted_lists import lay_out
from triptych.grouping.neighbours.probe_count import searched_cells
from triptych.grouping.neighbours.search_choice import open_searcher
from triptych.grouping.neighbours.self_join import Join, recall_of
from triptych.grouping.sets.duplicates import Corpus, find_duplicates, same_bytes
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.packing import make_image_sets
from triptych.grouping.sets.pairs import pairs_from
from triptych.grouping.sets.subsample import keep_spread
from triptych.grouping.sets.thresholds import choose_band
from triptych.progress import Progress
from triptych.records import Duplicate, ImageSet
from triptych.runs.folder import Setting

MOST_LOST = 0.25
"""Of an image's neighbours, to duplicates, before it looks for others."""


class Grouped(NamedTuple):
    """What became of the images."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    notes: dict[str, Setting]


def group_images(table: ImageTable, config: SetsConfig, scratch: Path, progress: Progress) -> Grouped:
    """Duplicates and sets of ``table``: the same for any number of threads and after any restart."""
    count = len(table.keys)
    if count == 0:
        return Grouped([], [], {})
    searcher = open_searcher(config.device, config.threads)
    layout = lay_out(table.blocks, count, table.dimensions, scratch, searcher, progress)
    rows = layout.rows
    cells = searched_cells(layout, searcher, config.neighbours, config.min_recall)
    copies = same_bytes(table.content_hashes)
    distinct = np.ones(count, bool)
    distinct[list(copies)] = False
    join = Join(layout, searcher, cells, config.neighbours, looking=distinct, found=distinct)
    neighbours = join.run(scratch / "neighbours", progress)
    recall = recall_of(layout, searcher, neighbours, config.neighbours, distinct)
    band = choose_band(config, rows, neighbours, distinct, with_hashes=bool(table.has_picture_hash.all()))
    corpus = Corpus(table, layout, rows, searcher, cells)
    duplicates, stays = find_duplicates(corpus, neighbours, copies, band, progress)

    # A line that is full of related images and lost many to duplicates has others waiting behind its end.
    share_lost = (distinct & ~stays)[neighbours.images].mean(axis=1)
    lost = stays & (share_lost > MOST_LOST) & (neighbours.cosines[:, -1] >= band.related - SEARCH_SLACK)
    if lost.any():
        again = Join(layout, searcher, cells, config.neighbours, looking=lost, found=stays)
        filled = again.run(scratch / "neighbours-again", progress)
        neighbours.images[lost], neighbours.cosines[lost] = filled.images[lost], filled.cosines[lost]

    pairs = pairs_from(neighbours, rows, band.related, searcher, stays)
    pairs = pairs.where(pairs.mutual & (pairs.cosines.astype(np.float64) < band.duplicate))
    sets = make_image_sets(table.keys, rows, pairs, band, config, progress)
    if config.max_sets is not None:
        number = {key: image for image, key in enumerate(table.keys)}
        sets = keep_spread(sets, config.max_sets, lambda key: int(layout.cell_of[number[key]]))
    notes: dict[str, Setting] = {
        "related_cosine_similarity": band.related,
        "close_cosine_similarity": band.close,
        "duplicate_cosine_similarity": band.duplicate,
        "hashes_decide_from": band.hashes_decide_from,
        "band_why": band.why,
        "searched_with": searcher.name,
        "cells": layout.cells,
        "cells_searched": cells,
        f"recall_at_{config.neighbours}": round(recall, 4),
    }
    return Grouped(duplicates, sets, notes)
