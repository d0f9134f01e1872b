"""Cosine similarities of images: within the sampled sets, just outside them, and of random images.

Comes in: keys of images. Goes out: where those images are in the run; cosines of their stored embeddings, and
histograms. All images outside a set are searched exactly, in one pass, with one block of rows in memory at a
time; embeddings are memory-mapped. Not its job: making sets (see grouping), explaining the results (see
cards).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triptych.errors import SetupError
from triptych.progress import Progress
from triptych.records import ImageRecord, reason_class
from triptych.report.content import Histogram
from triptych.report.sampling import Draw
from triptych.runs.arrays import map_embeddings
from triptych.runs.folder import RunFolder

SAMPLED_IMAGES = 256
"""Drawn evenly from the images that aren't left out; their 32,640 pairs stand for all pairs."""
UNREADABLE_PER_CLASS = 5
ROWS_AT_ONCE = 8192
STEP = 0.01
"""The bin width of histograms of cosines."""
_LOW = -1.0
_BINS = round(2 / STEP)


class LocatedImage(NamedTuple):
    """A readable image: its shard, and its row in the shard's embeddings."""

    record: ImageRecord
    shard: str
    row: int


class Located(NamedTuple):
    """The result of one pass over the images."""

    of_key: dict[str, LocatedImage]
    sample: list[LocatedImage]
    unreadable: dict[str, list[tuple[str, str]]]
    """A few ``(key, reason)`` of each class."""


def locate(
    run: RunFolder,
    keys: set[str],
    left_out: set[str],
    progress: Progress,
    see: Callable[[LocatedImage], object] = lambda image: None,
) -> Located:
    """Find the images ``keys``, a sample of those that aren't ``left_out``, and some unreadable ones.

    ``see`` is called with every readable image.
    """
    of_key: dict[str, LocatedImage] = {}
    sample: Draw[LocatedImage] = Draw(SAMPLED_IMAGES)
    unreadable: dict[str, Draw[tuple[str, str]]] = {}
    with progress.task("report images", None, "images") as task:
        for shard in run.shards():
            row = 0
            for record in run.images(shard):
                task.advance(1)
                if record.is_gone:
                    row += record.is_embedded
                    continue
                if record.unreadable is not None:
                    draw = unreadable.setdefault(reason_class(record.unreadable), Draw(UNREADABLE_PER_CLASS))
                    draw.offer(record.key, (record.key, record.unreadable))
                    continue
                image = LocatedImage(record, shard, row)
                row += 1
                if record.key in keys:
                    of_key[record.key] = image
                see(image)
                if record.key not in left_out:
                    sample.offer(record.key, image)
    examples = {name: draw.taken() for name, draw in sorted(unreadable.items())}
    return Located(of_key, sample.taken(), examples)


def unit_vectors(run: RunFolder, images: Sequence[LocatedImage]) -> NDArray[np.float32]:
    """``float32[len(images), dim]``, each of length 1."""
    rows_of = {
        shard: map_embeddings(run.embeddings_file(shard)) for shard in {image.shard for image in images}
    }
    if not images:
        return np.zeros((0, 1), np.float32)
    try:
        return normalised(np.stack([rows_of[image.shard][image.row] for image in images]))
    except (IndexError, ValueError) as error:
        raise SetupError(
            f"embeddings of {run.path} don't fit its images ({error});"
            f" `triptych verify {run.path}` says where, --fresh embeddings makes them again"
        ) from None


def normalised(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """Stored rows, scaled to length 1 again."""
    units = rows.astype(np.float32)
    units /= np.maximum(np.sqrt(np.einsum("ij,ij->i", units, units)), 1e-12)[:, None]
    return units


class CosineHistogram:
    """Bins of STEP over [-1, 1]; 1 falls into the last."""

    def __init__(self, name: str, note: str) -> None:
        self._name, self._note = name, note
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, cosines: ArrayLike) -> None:
        """Count ``cosines``."""
        # A tiny offset, so that 0.75 as a float falls into the bin that begins at 0.75.
        bins = np.floor((np.asarray(cosines, np.float64) - _LOW) / STEP + 1e-6).astype(np.int64)
        self._counts += np.bincount(np.clip(bins, 0, _BINS - 1).ravel(), minlength=_BINS)

    def shown(self) -> Histogram:
        """From the first bin with a count to the last."""
        filled = np.flatnonzero(self._counts)
        first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, -1)
        return Histogram(
            name=self._name,
            note=self._note,
            low=round(_LOW + first * STEP, 2),
            step=STEP,
            counts=self._counts[first : last + 1].tolist(),
        )


class Outsider(NamedTuple):
    """The image outside a set whose smallest cosine to the set's images is largest."""

    image: LocatedImage
    cosines: NDArray[np.float32]
    """The cosine to each image of the set, in its order."""


class Nearness(NamedTuple):
    """The result of the pass."""

    within: list[NDArray[np.float32]]
    """The cosines between the images of each set, ``float32[n, n]``."""
    outsiders: list[Outsider | None]
    """The outsider of each set; None if there is no other image."""
    by_chance: CosineHistogram
    nearest: CosineHistogram


def measure(
    run: RunFolder,
    sets: Sequence[Sequence[LocatedImage]],
    sample: Sequence[LocatedImage],
    left_out: set[str],
    progress: Progress,
) -> Nearness:
    """Compare ``sets`` and ``sample`` with every image that isn't ``left_out``."""
    by_chance = CosineHistogram("two images at random", f"all pairs of {len(sample):,} images drawn evenly")
    nearest = CosineHistogram("an image and its nearest", f"{len(sample):,} images drawn evenly, against all")
    scan = _Scan(run, sets, sample)
    with progress.task("report neighbours", None, "images") as task:
        for shard in run.shards():
            records = [record for record in run.images(shard) if record.is_embedded]
            rows = map_embeddings(run.embeddings_file(shard), len(records))
            for start in range(0, len(rows), ROWS_AT_ONCE):
                some = records[start : start + ROWS_AT_ONCE]
                is_excluded = [record.key in left_out or record.unreadable is not None for record in some]
                block = normalised(rows[start : start + ROWS_AT_ONCE])
                scan.see(shard, start, block, np.array(is_excluded, bool), some)
                task.advance(len(block))
    if len(sample) > 1:
        by_chance.add((scan.drawn @ scan.drawn.T)[np.triu_indices(len(sample), k=1)])
        nearest.add(scan.nearest)
    within = [np.clip(each @ each.T, -1.0, 1.0) for each in scan.members]
    return Nearness(within, scan.outsiders, by_chance, nearest)


class _Scan:
    """One pass: each block is multiplied once, with the images of all sets and of the sample."""

    def __init__(
        self, run: RunFolder, sets: Sequence[Sequence[LocatedImage]], sample: Sequence[LocatedImage]
    ) -> None:
        own = [(number, image) for number, images in enumerate(sets) for image in images]
        self._units = unit_vectors(run, [*(image for _, image in own), *sample])
        ends = np.cumsum([0, *map(len, sets)]).tolist()
        self._starts, self._width = ends[:-1], ends[-1]
        self.members = [self._units[start:end] for start, end in itertools.pairwise(ends)]
        self.drawn = self._units[self._width :]
        self.nearest = np.full(len(sample), -np.inf, np.float32)
        self.outsiders: list[Outsider | None] = [None] * len(sets)
        self._best = np.full(len(sets), -np.inf, np.float32)
        self._own = _by_shard([(image, number) for number, image in own])
        self._drawn_at = _by_shard([(image, column) for column, image in enumerate(sample)])

    def see(
        self,
        shard: str,
        start: int,
        block: NDArray[np.float32],
        is_excluded: NDArray[np.bool_],
        records: Sequence[ImageRecord],
    ) -> None:
        """Take a block, which begins with row ``start``, into account. Of equal images the first wins, in the
        order of shards and rows."""
        cosines = block @ self._units.T
        np.clip(cosines, -1.0, 1.0, out=cosines)
        to_sets, to_sample = cosines[:, : self._width], cosines[:, self._width :]
        if len(self._starts):
            weakest = np.minimum.reduceat(to_sets, self._starts, axis=1)
            weakest[is_excluded] = -np.inf
            for row, number in self._own.get(shard, ()):
                if start <= row < start + len(block):
                    weakest[row - start, number] = -np.inf
            rows = weakest.argmax(axis=0)
            for number in np.flatnonzero(weakest.max(axis=0) > self._best).tolist():
                row, first = int(rows[number]), self._starts[number]
                self._best[number] = weakest[row, number]
                to_members = to_sets[row, first : first + len(self.members[number])].copy()
                self.outsiders[number] = Outsider(LocatedImage(records[row], shard, start + row), to_members)
        if len(self.nearest):
            to_sample[is_excluded] = -np.inf
            for row, column in self._drawn_at.get(shard, ()):
                if start <= row < start + len(block):
                    to_sample[row - start, column] = -np.inf
            np.maximum(self.nearest, to_sample.max(axis=0), out=self.nearest)


def _by_shard(pairs: Sequence[tuple[LocatedImage, int]]) -> dict[str, list[tuple[int, int]]]:
    """``(row, number)`` of each shard."""
    found: dict[str, list[tuple[int, int]]] = {}
    for image, number in pairs:
        found.setdefault(image.shard, []).append((image.row, number))
    return found
