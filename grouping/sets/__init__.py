"""From embeddings to duplicates and sets.

Comes in: an image table, a config, a scratch folder. Goes out: duplicates, sets, and figures for run.json.
Slow steps leave checkpoints in the scratch folder, so that a killed run can be resumed. Not its job: where
embeddings come from, and where results go (see sets_stage and library).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.executors import Cluster
from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours import SEARCH_SLACK, open_searcher, search_workers
from triptych.grouping.neighbours.inverted_lists import build_inverted_lists
from triptych.grouping.neighbours.probe_count import choose_probe_count, measure_recall
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin
from triptych.grouping.sets.duplicates import Corpus, copies_by_bytes, find_duplicates
from triptych.grouping.sets.groups import GroupConstraint, neighbours_in_groups
from triptych.grouping.sets.image_table import ImageTable
from triptych.grouping.sets.incremental import PreviousGrouping, group_incrementally
from triptych.grouping.sets.kinds import assemble_sets
from triptych.grouping.sets.spacing import measure_spacing
from triptych.grouping.sets.thresholds import Thresholds, choose_thresholds
from triptych.progress import Progress
from triptych.records import Duplicate, ImageSet
from triptych.runs.folder import Setting

MAX_SHARE_LOST = 0.25
"""An image that loses a larger share of its neighbours as duplicates is searched again."""


class Grouped(NamedTuple):
    """The result of grouping."""

    duplicates: list[Duplicate]
    sets: list[ImageSet]
    thresholds: Thresholds | None
    """None if there were no images."""
    notes: dict[str, Setting]


def group_images(
    table: ImageTable,
    config: SetsConfig,
    scratch: Path,
    progress: Progress,
    previous: PreviousGrouping | None = None,
    groups: GroupConstraint | None = None,
    cluster: Cluster | None = None,
) -> Grouped:
    """Find duplicates and sets in ``table``. The result is independent of threads and restarts.

    Results of a ``previous`` grouping are kept as far as they still hold (see incremental). ``groups``
    restricts which images may share a set.
    """
    count = len(table.keys)
    if count == 0:
        return Grouped([], [], None, {})
    searcher = open_searcher(config.device, config.threads)
    workers = search_workers(cluster, config.device)
    lists = build_inverted_lists(table.blocks, count, table.dimensions, scratch, searcher, progress, workers)
    probes = choose_probe_count(lists, config.neighbours, config.min_recall)
    corpus = Corpus(table, lists, probes)
    searched: dict[str, Setting] = {
        "searched_with": searcher.name,
        "cells": lists.cells,
        "cells_searched": probes,
    }
    if previous is not None:
        duplicates, sets = group_incrementally(corpus, previous, config, scratch, progress, groups)
        thresholds = previous.thresholds
        return Grouped(duplicates, sets, thresholds, {**_threshold_notes(thresholds), **searched})
    copies = copies_by_bytes(table.content_hashes)
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
    duplicates, is_kept = find_duplicates(
        corpus, neighbours, copies, thresholds, progress, distinct=distinct, rank=np.zeros(count, np.int32)
    )
    if groups is None:
        _search_again(corpus, neighbours, distinct, is_kept, thresholds, scratch / "second-join", progress)
    else:
        neighbours = neighbours_in_groups(
            corpus, groups, config.neighbours, is_kept, scratch / "join-in-groups", progress
        )
    sets = assemble_sets(corpus, neighbours, is_kept, thresholds, config, progress, groups)
    searched[f"recall_at_{config.neighbours}"] = round(recall, 4)
    return Grouped(duplicates, sets, thresholds, {**_threshold_notes(thresholds), **searched})


def _threshold_notes(thresholds: Thresholds) -> dict[str, Setting]:
    """Thresholds as run.json notes them."""
    notes: dict[str, Setting] = {
        "related_cosine_similarity": thresholds.related,
        "close_cosine_similarity": thresholds.close,
        "duplicate_cosine_similarity": thresholds.duplicate,
        "unlike_cosine_similarity": thresholds.unlike,
        "thresholds_why": thresholds.why,
    }
    return notes | ({"thresholds_warning": thresholds.warning} if thresholds.warning else {})


def noted_thresholds(notes: Mapping[str, Setting]) -> Thresholds | None:
    """Thresholds noted in run.json; None if sets were never made."""
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


def _search_again(
    corpus: Corpus,
    neighbours: Neighbours,
    distinct: NDArray[np.bool_],
    is_kept: NDArray[np.bool_],
    thresholds: Thresholds,
    folder: Path,
    progress: Progress,
) -> None:
    """Search again for images that lost many neighbours as duplicates. Updates ``neighbours`` in place.

    Only images whose last neighbour is still related: more related ones may follow it.
    """
    share_lost = (distinct & ~is_kept)[neighbours.images].mean(axis=1)
    queries = is_kept & (share_lost > MAX_SHARE_LOST)
    queries &= neighbours.cosines[:, -1] >= thresholds.related - SEARCH_SLACK
    if queries.any():
        count = neighbours.images.shape[1]
        join = SelfJoin(corpus.lists, corpus.probe_count, count, queries=queries, candidates=is_kept)
        found = join.run(folder, progress)
        neighbours.images[queries], neighbours.cosines[queries] = (
            found.images[queries],
            found.cosines[queries],
        )
