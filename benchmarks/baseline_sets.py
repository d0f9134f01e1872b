"""Baseline methods to group vectors, for photo_sets.

Comes in: the cosines of all pairs, or rows for a method of grouping_peers, which runs with another Python.
Goes out: one label per image (-1: in no group), for each threshold. Not its job: choosing the best threshold
(see photo_sets).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LARGEST_SET = 5


def mutual_nearest(cosines: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
    """Pairs of images that are each other's nearest neighbour."""
    nearest = cosines.argmax(axis=1)
    images = np.arange(len(cosines))
    pairs = nearest[nearest] == images
    yield np.where(pairs, np.minimum(images, nearest), -1)


def greedy_complete_link(cosines: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
    """Pair by pair in descending cosine, merge two groups if all their pairs reach the threshold.

    Groups have at most LARGEST_SET images. Only the tenth of all pairs with the highest cosines is used.
    """
    one, other = np.triu_indices(len(cosines), k=1)
    order = np.argsort(-cosines[one, other], kind="stable")[: len(one) // 10]
    pairs = list(zip(one[order].tolist(), other[order].tolist(), strict=True))
    for threshold in candidate_thresholds(cosines):
        label, groups = list(range(len(cosines))), {at: [at] for at in range(len(cosines))}
        for left, right in pairs:
            if cosines[left, right] < threshold:
                break
            a, b = groups[label[left]], groups[label[right]]
            if a is b or len(a) + len(b) > LARGEST_SET or cosines[np.ix_(a, b)].min() < threshold:
                continue
            for each in b:
                label[each] = label[left]
            a += b
        yield np.array(label)


def groups_of(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The images of each label that at least two images have."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [group for group in groups if len(group) > 1 and labels[group[0]] >= 0]


def candidate_thresholds(cosines: NDArray[np.float32]) -> list[float]:
    """Upper quantiles of the cosines of all pairs."""
    quantiles = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998)
    return [float(each) for each in np.quantile(cosines, quantiles)]


def by_peer(
    python: str, method: str, thresholds: list[float]
) -> Callable[[NDArray[np.float32]], Iterator[NDArray[np.int64]]]:
    """A function that labels rows with a method of grouping_peers, once for each threshold."""

    def labels(rows: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
        script = Path(__file__).with_name("grouping_peers.py")
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "rows.npy"), rows)
            for threshold in thresholds:
                files = (f"{folder}/rows.npy", f"{folder}/labels.npy")
                command = [python, str(script), method, *files, str(threshold)]
                subprocess.run(command, check=True, capture_output=True)
                yield np.load(Path(folder, "labels.npy"))

    return labels
