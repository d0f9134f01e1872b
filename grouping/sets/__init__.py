"""From embeddings to duplicates and sets.

Comes in: an image table, a config, a scratch folder. Goes out: duplicates, sets, and the figures worth
remembering. Work that takes long leaves checkpoints in the scratch folder, so that a killed run goes on. Not
its job: where embeddings come from, and where results go (see stage and library).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.executors import Cluster
from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours import SEARCH_SLACK, open_searcher, spread_over
from triptych.grouping.neighbours.inverted_lists import build_inverted_lists
from triptych.grouping.neighbours.probe_count import choose_probe_count, measure_recall
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin
from triptych.grouping.sets.duplicates import Corpus, find_duplicates, same_bytes
from triptych.grouping.sets.groups import Groups, neighbours_in_groups
from triptych.grouping.sets.growing import Before, group_what_is_new
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.making import make_sets
from triptych.grouping.sets.spacing import measure_spacing
from triptych.grouping.sets.thresholds import Thresholds, choose_thresholds
from triptych.progress import Progress
from triptych.records import Duplicate, ImageSet
from triptych.runs.folder import Setting

MAX_SHARE_LOST = 0.25
"""Of an image's neighbours, to duplicates, before it searches for others."""


class Grouped(NamedTuple):
    """What became of the images."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    thresholds: Thresholds | None
    """None where there was no image."""
    notes: dict[str, Setting]


def group_images(
    table: ImageTable,
    config: SetsConfig,
    scratch: Path,
    progress: Progress,
    before: Before | None = None,
    groups: Groups | None = None,
    cluster: Cluster | None = None,
) -> Grouped:
    """Duplicates and sets of ``table``: the same for any number of threads and after any restart.

    What was found ``before`` stays, as far as it holds (see growing). ``groups`` say which images may share a
    set; without them all may.
    """
    count = len(table.keys)
    if count == 0:
        return Grouped([], [], None, {})
    searcher = open_searcher(config.device, config.threads)
    spread = spread_over(cluster, config.device)
    lists = build_inverted_lists(table.blocks, count, table.dimensions, scratch, searcher, progress, spread)
    probes = choose_probe_count(lists, config.neighbours, config.min_recall)
    corpus = Corpus(table, lists, probes)
    searched: dict[str, Setting] = {
        "searched_with": searcher.name,
        "cells": lists.cells,
        "cells_searched": probes,
    }
    if before is not None:
        duplicates, sets = group_what_is_new(corpus, before, config, scratch, progress, groups)
        return Grouped(duplicates, sets, before.thresholds, {**_thresholds(before.thresholds), **searched})
    copies = same_bytes(table.content_hashes)
    distinct = np.ones(count, bool)
    distinct[list(copies)] = False
    join = SelfJoin(lists, probes, config.neighbours, queries=distinct, candidates=distinct)
    neighbours = join.run(scratch / "join", progress)
    recall = measure_recall(lists, neighbours, config.neighbours, distinct)
    spacing = measure_spacing(lists, table, distinct)
    with_hashes = bool(table.has_picture_hash.all())
    thresholds = choose_thresholds(
        config, lists.vectors, spacing, int(distinct.sum()), with_hashes=with_hashes
    )
    duplicates, stays = find_duplicates(
        corpus, neighbours, copies, thresholds, progress, distinct=distinct, rank=np.zeros(count, np.int32)
    )
    if groups is None:
        _replace_lost(corpus, neighbours, distinct, stays, thresholds, scratch / "second-join", progress)
    else:
        neighbours = neighbours_in_groups(
            corpus, groups, config.neighbours, stays, scratch / "join-in-groups", progress
        )
    sets = make_sets(corpus, neighbours, stays, thresholds, config, progress, groups)
    recalled: dict[str, Setting] = {f"recall_at_{config.neighbours}": round(recall, 4)}
    return Grouped(duplicates, sets, thresholds, {**_thresholds(thresholds), **searched, **recalled})


def _thresholds(thresholds: Thresholds) -> dict[str, Setting]:
    """As a run notes them."""
    notes: dict[str, Setting] = {
        "related_cosine_similarity": thresholds.related,
        "close_cosine_similarity": thresholds.close,
        "duplicate_cosine_similarity": thresholds.duplicate,
        "unlike_cosine_similarity": thresholds.unlike,
        "thresholds_why": thresholds.why,
    }
    return notes | ({"thresholds_warning": thresholds.warning} if thresholds.warning else {})


def noted_thresholds(notes: Mapping[str, Setting]) -> Thresholds | None:
    """Those that a run notes; None where sets were never made."""
    if "unlike_cosine_similarity" not in notes:
        return None
    return Thresholds(
        related=float(str(notes["related_cosine_similarity"])),
        close=float(str(notes["close_cosine_similarity"])),
        duplicate=float(str(notes["duplicate_cosine_similarity"])),
        unlike=float(str(notes["unlike_cosine_similarity"])),
        why=str(notes["thresholds_why"]),
        warning=str(notes.get("thresholds_warning", "")),
    )


def _replace_lost(
    corpus: Corpus,
    neighbours: Neighbours,
    distinct: NDArray[np.bool_],
    stays: NDArray[np.bool_],
    thresholds: Thresholds,
    folder: Path,
    progress: Progress,
) -> None:
    """Search again for images that lost many of their ``neighbours`` to duplicates. Changes ``neighbours``.

    A line that is full of related images and lost many has others waiting behind its end.
    """
    share_lost = (distinct & ~stays)[neighbours.images].mean(axis=1)
    lost = stays & (share_lost > MAX_SHARE_LOST)
    lost &= neighbours.cosines[:, -1] >= thresholds.related - SEARCH_SLACK
    if lost.any():
        count = neighbours.images.shape[1]
        join = SelfJoin(corpus.lists, corpus.probe_count, count, queries=lost, candidates=stays)
        filled = join.run(folder, progress)
        neighbours.images[lost], neighbours.cosines[lost] = filled.images[lost], filled.cosines[lost]
