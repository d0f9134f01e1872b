"""A sample of millions of names that depends on nothing but the names: those with the smallest hashes.

Comes in: names. Goes out: their 64-bit hashes, and the largest that is still in the sample. Not its job:
holding the names; 8 bytes each are enough.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable


def hash64(name: str) -> int:
    """BLAKE2b-64 of a name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def drawn_rank(name: str) -> int:
    """A hash of another kind, so that it is independent of those that limit jobs. By the smallest ones the
    report draws what people judge, and a check what a model is asked: they see the same images and sets."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=b"triptych report")
    return int.from_bytes(digest.digest())


def last_sampled(names: Iterable[str], count: int) -> int:
    """The largest of the ``count`` smallest hashes; -1 where nothing is sampled.

    A name is in the sample if its hash is no larger. With 11 million names, two of them share a hash
    once in 300,000 runs, and that matters only at the sample's very end.
    """
    return last_of_smallest(array("Q", map(hash64, names)), count)


def last_of_smallest(hashes: array[int], count: int) -> int:
    """The same of hashes."""
    import numpy as np

    if not hashes or count <= 0:
        return -1
    last = min(count, len(hashes)) - 1
    return int(np.partition(np.frombuffer(hashes, np.uint64), last)[last])
