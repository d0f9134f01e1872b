"""Samples by hash: the names with the smallest hashes, so a sample depends on nothing but the names.

Comes in: names. Goes out: their 64-bit hashes, and the largest hash in the sample. Not its job: keeping the
names; the hashes, 8 bytes each, are enough.
"""

from __future__ import annotations

import hashlib
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
