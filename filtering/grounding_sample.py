"""What grounding reads of a run beforehand: images to rank among, captions to calibrate by.

Comes in: the run, its jobs. Goes out: vectors of images chosen by hash and of all members of sets, and
what single captions say of them; captions of sets chosen by hash. Memory: those vectors and texts. Not its
job: judging (see grounding).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.jobs import Job
from triptych.records import Caption, ImageSet, JobName, Language, is_multi, language_of, target_of
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan
from triptych.runs.sampling import hash64

Vectors = dict[str, NDArray[np.float32]]


class Told(NamedTuple):
    """A caption to calibrate by."""

    id: str
    keys: tuple[str, ...]
    text: str


class Sample(NamedTuple):
    """What was chosen. Other images and sets would be chosen only in another corpus."""

    other_keys: list[str]
    others: NDArray[np.float32]
    """``float32[n, dim]``, of ``other_keys``."""
    vectors: Vectors
    """Of the other images, and of all members of sets where sets are judged."""
    singles: dict[tuple[Language, str], str]
    """What single captions say of these images, by language and key."""
    references: dict[JobName, list[Told]]
    """Of the other images, and of as many sets, in the order of their ids."""


class PlannedTexts:
    """Which captions count: those that are planned, and of several with one id the last."""

    def __init__(self, run: RunFolder, jobs: Sequence[Job]) -> None:
        self._run = run
        self._last = {job.name: JobPlan(run, job).last_hash for job in jobs}
        self._duplicates = {each.key for each in run.duplicates()}

    def told(self, job: JobName, shard: str) -> dict[str, str]:
        """Texts by image key or set id; nothing for a job that the run hasn't."""
        found: dict[str, str] = {}
        for caption in self._planned(job, shard):
            target = target_of(caption.id)
            found.pop(target, None)
            if caption.failure is None:
                found[target] = caption.text
        return found

    def _planned(self, job: JobName, shard: str) -> Iterator[Caption]:
        if job not in self._last:
            return
        last = self._last[job]
        for caption in self._run.captions(job, shard):
            is_planned = last is None or hash64(caption.id) <= last
            if is_planned and target_of(caption.id) not in self._duplicates:
                yield caption


def shard_vectors(run: RunFolder, shard: str) -> Vectors:
    """Of each readable image of ``shard``, of length 1."""
    rows = np.load(run.embeddings_file(shard), allow_pickle=False).astype(np.float32)
    readable = [image.key for image in run.images(shard) if image.unreadable is None]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return dict(zip(readable, rows, strict=True))


def gather(run: RunFolder, jobs: Sequence[JobName], planned: PlannedTexts, count: int) -> Sample:
    """``count`` images and sets by hash. Goes through the embeddings once and through the captions once.

    Raises SetupError where there is no image.
    """
    sets = {each.id: each for each in run.sets()} if any(map(is_multi, jobs)) else {}
    members = {key for each in sets.values() for key in each.keys}
    vectors: Vectors = {}
    heap: list[tuple[int, str, NDArray[np.float32]]] = []
    for shard in run.shards():
        for key, vector in shard_vectors(run, shard).items():
            if key in members:
                vectors[key] = vector.copy()  # a view would keep all of the shard
            entry = (-hash64(key), key)
            if len(heap) < count:
                heapq.heappush(heap, (*entry, vector.copy()))
            elif entry > heap[0][:2]:
                heapq.heapreplace(heap, (*entry, vector.copy()))
    if not heap:
        raise SetupError(
            f"{run.path} has no readable image to compare captions with; see `triptych status {run.path}`"
        )
    chosen = {key: vector for _, key, vector in sorted(heap, key=lambda entry: entry[1])}
    vectors |= chosen
    chosen_sets = {each: sets[each] for each in sorted(sets, key=hash64)[:count]}
    singles, references = _texts(run, jobs, planned, vectors, chosen_sets)
    for job in (job for job in jobs if not is_multi(job)):
        references[job] = [
            Told(key, (key,), text)
            for key in chosen
            if (text := singles.get((language_of(job), key))) is not None
        ]
    return Sample(list(chosen), np.stack(list(chosen.values())), vectors, singles, references)


def _texts(
    run: RunFolder,
    jobs: Sequence[JobName],
    planned: PlannedTexts,
    wanted: Vectors,
    wanted_sets: dict[str, ImageSet],
) -> tuple[dict[tuple[Language, str], str], dict[JobName, list[Told]]]:
    singles: dict[tuple[Language, str], str] = {}
    references: dict[JobName, list[Told]] = {job: [] for job in jobs}
    for job in jobs:
        for shard in run.shards():
            for target, text in planned.told(job, shard).items():
                if is_multi(job) and target in wanted_sets:
                    references[job].append(Told(target, wanted_sets[target].keys, text))
                elif not is_multi(job) and target in wanted:
                    singles[language_of(job), target] = text
        references[job].sort()
    return singles, references
