"""Stretches of units that come again, in many captions at once.

Comes in: hashes of units, and which caption each is in. Goes out: which captions have stretches more
often than allowed, and what share of each they are. A stretch is one number here, equal where the units
are and the caption is the same, so that sorting finds those that come again. Not its job: what is allowed
(see repetition).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.mixing import mix

_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)
"""One for each doubling: with one for all, a stretch and the same with its middle turned would be equal."""
_LAST_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_KEY_BITS = np.uint64(47)
"""Of a number, for the stretch; the rest is for its caption."""


def stretch_keys(hashes: NDArray[np.uint64], captions: NDArray[np.int64], n: int) -> NDArray[np.uint64]:
    """A number for every ``n`` units in a row. A row that goes from one caption into the next has its own."""
    if len(hashes) < n:
        return np.zeros(0, np.uint64)
    length, keys = 1, hashes
    for factor in _FACTORS[: n.bit_length() - 1]:
        keys = keys[:-length] * factor + keys[length:]
        length *= 2
    if length < n:
        keys = keys[: length - n] * _LAST_FACTOR + keys[n - length :]
    first, last = captions[: len(keys)], captions[n - 1 :]
    across = np.flatnonzero(first != last)
    keys[across] = mix(across.astype(np.uint64))
    return (first.astype(np.uint64) << _KEY_BITS) | (keys >> (np.uint64(64) - _KEY_BITS))


def captions_with_more(keys: NDArray[np.uint64], allowed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``bool[n]``: which captions have a stretch more often than ``allowed``, at least 1 of each."""
    found = np.zeros(len(allowed), np.bool_)
    keys = np.sort(keys)
    again = np.flatnonzero(keys[1:] == keys[:-1])
    captions = (keys[again] >> _KEY_BITS).astype(np.intp)
    other = np.minimum(again + allowed[captions], len(keys) - 1)
    found[captions[(keys[again] == keys[other]) & (other - again == allowed[captions])]] = True
    return found


def stretch_shares(
    hashes: NDArray[np.uint64], captions: NDArray[np.int64], n: int, allowed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of each caption, the share of units in stretches of ``n`` that came ``allowed`` times before."""
    keys = stretch_keys(hashes, captions, n)
    has_more = captions_with_more(keys, allowed)
    shares = np.zeros(len(allowed))
    if not has_more.any():
        return shares
    starts = np.flatnonzero(has_more[captions[: len(keys)]])
    order = starts[keys[starts].argsort(kind="stable")]
    ordered = keys[order]
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    place = np.arange(len(order))
    earlier = place - np.maximum.accumulate(np.where(is_new, place, 0))
    again = order[earlier >= allowed[captions[order]]]
    size = len(hashes) + 1
    changes = np.bincount(again, minlength=size) - np.bincount(again + n, minlength=size)
    is_covered = np.cumsum(changes[:-1]) > 0
    covered = np.bincount(captions[is_covered], minlength=len(allowed))
    return covered / np.maximum(np.bincount(captions, minlength=len(allowed)), 1)
