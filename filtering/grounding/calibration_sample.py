"""What grounding reads of a run beforehand: images to compare with, captions to calibrate by.

Comes in: a run's context. Goes out: embeddings of images chosen by hash and of all members of sets, and what
single captions say of them; captions of sets chosen by hash. Memory: those embeddings and texts. Not its
job: scoring (see score).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.records import target_of
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, Planned
from triptych.runs.sampling import hash64

Embeddings = dict[str, NDArray[np.float32]]
"""Each of length 1, by image key."""


class KeyedCaption(NamedTuple):
    """A caption with the keys of its images."""

    target: str
    """The image's key, or the set's id."""
    keys: tuple[str, ...]
    text: str


class Sample(NamedTuple):
    """What was chosen. Other images and sets would be chosen only in another corpus."""

    other_keys: list[str]
    others: NDArray[np.float32]
    """``float32[n, dim]``, of ``other_keys``."""
    embeddings: Embeddings
    """Of the other images, and of all members of sets where a job captions sets."""
    singles: Mapping[str, Mapping[str, str]]
    """By job on single images: what it says of these images, by key."""
    references: Mapping[str, Sequence[KeyedCaption]]
    """By job: captions of the other images, or of as many sets, in the order of their targets."""


def shard_embeddings(folder: RunFolder, shard: str) -> Embeddings:
    """Those of each readable image of ``shard``."""
    rows = np.load(folder.embeddings_file(shard), allow_pickle=False).astype(np.float32)
    readable = [image.key for image in folder.images(shard) if image.unreadable is None]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return dict(zip(readable, rows, strict=True))


def captioned(planned: Sequence[Planned]) -> list[KeyedCaption]:
    """Those of ``planned`` that have a caption's text."""
    return [
        KeyedCaption(target_of(each.target.id), tuple(i.key for i in each.target.images), each.caption.text)
        for each in planned
        if each.caption is not None and each.caption.failure is None
    ]


def gather(context: RunContext, plans: Mapping[str, JobPlan], count: int) -> Sample:
    """``count`` images and sets by hash. ``plans`` are those of the context's jobs, by name.

    Goes through the embeddings once and through the captions once. Raises SetupError where there is no image.
    """
    folder = context.folder
    sets = list(folder.sets()) if any(job.is_multi for job in context.jobs) else []
    chosen, embeddings = _choose_images(folder, {key for each in sets for key in each.keys}, count)
    if not chosen:
        raise SetupError(
            f"{folder.path} has no readable image to compare captions with;"
            f" see `triptych status {folder.path}`"
        )
    chosen_sets = set(sorted((each.id for each in sets), key=hash64)[:count])
    singles: dict[str, dict[str, str]] = {}
    references: dict[str, list[KeyedCaption]] = {}
    for name, plan in plans.items():
        captions = (each for _, planned in plan.read_all() for each in captioned(planned))
        if plan.job.is_multi:
            references[name] = sorted(each for each in captions if each.target in chosen_sets)
        else:
            singles[name] = {each.target: each.text for each in captions if each.target in embeddings}
            references[name] = [
                KeyedCaption(key, (key,), singles[name][key]) for key in chosen if key in singles[name]
            ]
    return Sample(list(chosen), np.stack(list(chosen.values())), embeddings, singles, references)


def _choose_images(folder: RunFolder, members: set[str], count: int) -> tuple[Embeddings, Embeddings]:
    """Embeddings of the ``count`` images with the smallest hashes, by key in order; the same and those of
    ``members``."""
    embeddings: Embeddings = {}
    heap: list[tuple[int, str, NDArray[np.float32]]] = []
    for shard in folder.shards():
        for key, embedding in shard_embeddings(folder, shard).items():
            if key in members:
                embeddings[key] = embedding.copy()  # a view would keep all of the shard
            entry = (-hash64(key), key)
            if len(heap) < count:
                heapq.heappush(heap, (*entry, embedding.copy()))
            elif entry > heap[0][:2]:
                heapq.heapreplace(heap, (*entry, embedding.copy()))
    chosen = {key: embedding for _, key, embedding in sorted(heap, key=lambda entry: entry[1])}
    return chosen, embeddings | chosen
