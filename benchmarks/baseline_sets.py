"""Plain ways to group vectors, for photo_sets to be held against.

Comes in: cosines of all pairs, or rows for a method of grouping_peers, which runs under a Python of its own.
Goes out: a label an image (-1: in no group), for each bound that is tried. Not its job: which bound is best
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
    """Pairs that are each other's nearest, as labels."""
    nearest = cosines.argmax(axis=1)
    images = np.arange(len(cosines))
    pairs = nearest[nearest] == images
    yield np.where(pairs, np.minimum(images, nearest), -1)


def greedy_complete_link(cosines: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
    """By falling cosine, two groups of at most 5 become one if each of their pairs reaches a bound."""
    one, other = np.triu_indices(len(cosines), k=1)
    order = np.argsort(-cosines[one, other], kind="stable")
    order = order[: len(order) // 10]
    pairs = list(zip(one[order].tolist(), other[order].tolist(), strict=True))
    for bound in bounds(cosines):
        label, groups = list(range(len(cosines))), {at: [at] for at in range(len(cosines))}
        for left, right in pairs:
            if cosines[left, right] < bound:
                break
            a, b = groups[label[left]], groups[label[right]]
            if a is b or len(a) + len(b) > LARGEST_SET or cosines[np.ix_(a, b)].min() < bound:
                continue
            gone = label[right]
            for each in b:
                label[each] = label[left]
            a += b
            del groups[gone]
        yield np.array(label)


def bounds(cosines: NDArray[np.float32]) -> list[float]:
    """That are tried in hindsight: quantiles of all pairs."""
    return [
        float(each)
        for each in np.quantile(cosines, (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998))
    ]


def by_peer(
    python: str, method: str, tried: list[float]
) -> Callable[[NDArray[np.float32]], Iterator[NDArray[np.int64]]]:
    """Labels of a method of grouping_peers, for each bound that is ``tried``."""

    def labels(rows: NDArray[np.float32]) -> Iterator[NDArray[np.int64]]:
        script = Path(__file__).with_name("grouping_peers.py")
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "rows.npy"), rows)
            for bound in tried:
                command = [
                    python,
                    str(script),
                    method,
                    f"{folder}/rows.npy",
                    f"{folder}/labels.npy",
                    str(bound),
                ]
                subprocess.run(command, check=True, capture_output=True)
                yield np.load(Path(folder, "labels.npy"))

    return labels
