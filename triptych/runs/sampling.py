"""Samples by hash, and what a sample says about everything: shares with confidence intervals.

Comes in: names; counts. Goes out: the largest hash in a sample, which has the names with the smallest hashes,
so it depends on nothing else; 95% intervals. Not its job: keeping the names.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterable


def hash64(name: str) -> int:
    """BLAKE2b-64 of a name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def drawn_rank(name: str) -> int:
    """A keyed hash, independent of ``hash64``, which limits jobs. The report's sample for people and a
    check's sample for a model both take the smallest ranks, so they contain the same images and sets."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=b"triptych report")
    return int.from_bytes(digest.digest())


def last_sampled(names: Iterable[str], count: int) -> int:
    """The largest of the ``count`` smallest hashes; -1 if nothing is sampled.

    A name is in the sample if its hash is no larger. With 11 million names, two of them share a hash
    once in 300,000 runs, and that matters only for the last name of the sample.
    """
    return last_of_smallest(array("Q", map(hash64, names)), count)


def last_of_smallest(hashes: array[int], count: int) -> int:
    """``last_sampled`` for names that are hashed already."""
    import numpy as np

    if not hashes or count <= 0:
        return -1
    last = min(count, len(hashes)) - 1
    return int(np.partition(np.frombuffer(hashes, np.uint64), last)[last])


Z_95 = 1.959963984540054
"""The 97.5% point of the normal distribution: two-sided 95%."""


def wilson_interval(good: float, judged: float, z: float = Z_95) -> tuple[float, float]:
    """The score interval of Wilson (1927) for ``good`` of ``judged`` (at least 1), within [0, 1]."""
    share = good / judged
    centre = share + z * z / (2 * judged)
    spread = z * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    scale = 1 + z * z / judged
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def in_words(count: int, of: int) -> str:
    """A share with its interval.

    >>> in_words(12, 200)
    '6.0% (95% interval 3.5% to 10.2%)'
    """
    low, high = wilson_interval(count, of)
    return f"{count / of:.1%} (95% interval {low:.1%} to {high:.1%})"
