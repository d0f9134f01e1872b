"""How many files there will be, before any archive was walked through.

Comes in: shards. Goes out: a number, exact for those that know theirs, estimated for others from the
beginning of a few. Not its job: showing it (see progress).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triptych.sources.shard import Shard, Uncounted

SAMPLED_SHARDS = 8
"""Spread over all that don't know their count."""

SAMPLED_MEMBERS = 256
"""Of each. On 1,000 tars of SA-1B's form that is 2,048 headers, some milliseconds on a local disk."""


class CountEstimate(NamedTuple):
    """``is_estimate``: some shards don't know their count, and not every sampled one was read to its end."""

    files: int
    is_estimate: bool


def estimate_count(shards: Sequence[Shard]) -> CountEstimate | None:
    """The files of ``shards`` that will be listed; None where no uncounted one could be looked into."""
    known = sum(shard.file_count or 0 for shard in shards)
    uncounted = [shard for shard in shards if shard.file_count is None and isinstance(shard, Uncounted)]
    if not uncounted:
        return CountEstimate(known, False)
    count = min(SAMPLED_SHARDS, len(uncounted))
    sampled = [uncounted[len(uncounted) * n // count] for n in range(count)]
    peeks = [shard.peek(SAMPLED_MEMBERS) for shard in sampled]
    seen_files, seen_bytes = (sum(column) for column in zip(*peeks, strict=True))
    if not seen_bytes:
        return None
    all_bytes = sum(shard.size_bytes or 0 for shard in uncounted)
    return CountEstimate(known + round(seen_files * all_bytes / seen_bytes), seen_bytes < all_bytes)
