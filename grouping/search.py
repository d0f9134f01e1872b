"""Finds the images and sets of a run nearest to a text or a picture.

Comes in: a run folder, a unit vector from the run's own encoder. Goes out: images or sets, nearest first. All
embeddings are scanned through memory maps, a few megabytes at a time; only one number per image stays in
memory. Matrix products only preselect: the final cosines are computed row by row, and ties keep the order of
the run. Not its job: making the vector (see run_encoder).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.executors.processes import core_count
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.records import ImageSet
from triptych.runs.arrays import map_embeddings
from triptych.runs.folder import RunFolder

ROWS_AT_ONCE = 256
"""512 KB in float32 at 512 dimensions: they stay in the processor's cache."""

SLACK = 2e-3
"""Unit rows stored in float16 have lengths within 0.0005 of 1, so products are this close to cosines."""

OVERSAMPLING = 8
"""Images searched per wanted set; the search deepens by this factor while it finds too few sets."""


class FoundImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image near the query."""

    key: str
    cosine_similarity: float


class FoundSet(msgspec.Struct, frozen=True, kw_only=True):
    """A set with an image near the query."""

    id: str
    cosine_similarity: float
    """Of its nearest image."""
    nearest: str
    """Key of that image."""
    keys: tuple[str, ...]


class Search:
    """One search through all embeddings of a run, except those of images gone from the sources."""

    def __init__(self, run: RunFolder, vector: NDArray[np.float32]) -> None:
        """``vector`` is ``float32[dim]``, a unit vector.

        Raises SetupError if nothing is embedded yet, or embeddings are damaged or of another width.
        """
        self._run, self._vector = run, vector
        self._shards = list(run.shards())
        if not self._shards:
            raise SetupError(
                f"{run.path}: nothing is embedded yet; run `triptych group` first", path=run.path
            )
        from triptych.grouping.encoders.tower import one_thread_each

        products = one_thread_each(self._products, self._shards, core_count())
        self._firsts = np.cumsum([0, *map(len, products)])
        """Number of each shard's first row, then the total number of rows."""
        self._products_of_all = np.concatenate(products)
        self._keys: dict[int, list[str | None]] = {}

    def images(self, count: int) -> list[FoundImage]:
        """The ``count`` nearest images, or all if there are fewer."""
        rows = count
        while True:
            found = [
                FoundImage(key=key, cosine_similarity=round(cosine, 6))
                for row, cosine in self._nearest(rows)
                if (key := self._key_of(row)) is not None
            ]
            if len(found) >= count or rows >= self._firsts[-1]:
                return found[:count]
            rows *= 2  # some images are gone from the sources

    def sets(self, count: int) -> list[FoundSet]:
        """The ``count`` sets with the nearest images, or all if there are fewer."""
        depth = count
        while True:
            depth *= OVERSAMPLING
            cosines = {each.key: each.cosine_similarity for each in self.images(depth)}
            found = [
                _found_set(each, cosines)
                for each in self._run.sets()
                if not cosines.keys().isdisjoint(each.keys)
            ]
            if len(found) >= count or depth >= self._firsts[-1]:
                return sorted(found, key=lambda each: (-each.cosine_similarity, each.id))[:count]

    def _products(self, shard: str) -> NDArray[np.float32]:
        """Dot product of each row with the vector. torch converts float16 ten times as fast as numpy."""
        import torch

        stored = map_embeddings(self._run.embeddings_file(shard))
        if stored.shape[1] != len(self._vector):
            raise SetupError(
                f"{self._run.embeddings_file(shard)} has {stored.shape[1]} dimensions, the encoder gives"
                f" {len(self._vector)}; expected the encoder that made the file: check embedding.model"
            )
        products, vector = np.empty(len(stored), np.float32), torch.from_numpy(self._vector)
        wide = torch.empty(ROWS_AT_ONCE, len(vector))
        for start in range(0, len(stored), ROWS_AT_ONCE):
            some = torch.from_numpy(np.array(stored[start : start + ROWS_AT_ONCE]))
            products[start : start + len(some)] = torch.mv(wide[: len(some)].copy_(some), vector).numpy()
        # Damaged rows are never near; `triptych verify` reports them.
        products[~np.isfinite(products)] = -2.0
        return products

    def _nearest(self, count: int) -> list[tuple[int, float]]:
        """The ``count`` nearest rows with their cosines."""
        total = len(self._products_of_all)
        count = min(count, total)
        if count == 0:
            return []
        least = np.partition(self._products_of_all, total - count)[total - count]
        candidates = np.flatnonzero(self._products_of_all >= least - SLACK)
        cosines = self._cosines(candidates)
        order = np.argsort(-cosines, kind="stable")[:count]
        return list(zip(candidates[order].tolist(), cosines[order].tolist(), strict=True))

    def _cosines(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of ascending ``rows``, each bit-identical whatever other rows are given."""
        cosines = np.empty(len(rows), np.float32)
        bounds = np.searchsorted(rows, self._firsts)
        for number, shard in enumerate(self._shards):
            for start in range(bounds[number], bounds[number + 1], ROWS_AT_ONCE):
                some = slice(start, min(start + ROWS_AT_ONCE, bounds[number + 1]))
                stored = map_embeddings(self._run.embeddings_file(shard))
                units = as_units(stored[rows[some] - self._firsts[number]])
                cosines[some] = np.einsum("ij,j->i", units, self._vector)
        return np.clip(cosines, -1.0, 1.0)

    def _key_of(self, row: int) -> str | None:
        """Key of the image with this row; None if it is gone from the sources."""
        number = int(np.searchsorted(self._firsts, row, side="right")) - 1
        if number not in self._keys:
            records = self._run.images(self._shards[number])
            keys = [None if each.is_gone else each.key for each in records if each.is_embedded]
            map_embeddings(self._run.embeddings_file(self._shards[number]), len(keys))
            self._keys[number] = keys
        return self._keys[number][row - int(self._firsts[number])]


def _found_set(image_set: ImageSet, cosines: dict[str, float]) -> FoundSet:
    nearest = max((key for key in image_set.keys if key in cosines), key=lambda key: cosines[key])
    return FoundSet(
        id=image_set.id, cosine_similarity=cosines[nearest], nearest=nearest, keys=tuple(image_set.keys)
    )
