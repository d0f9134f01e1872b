"""How many files there will be, before any archive was walked through.

Comes in: shards. Goes out: a number, exact for folders and Parquet, estimated for tars from the headers at
the beginning of a few. Not its job: showing it (see progress).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triptych.sources import Shard
from triptych.sources.tar import TarShard

SAMPLED_TARS = 8
"""Spread over all of them."""

SAMPLED_MEMBERS = 256
"""Of each. On 1,000 tars of SA-1B's form that is 2,048 headers, some milliseconds on a local disk."""


class Forecast(NamedTuple):
    """``is_estimate``: tars are among the shards, and not all of each sampled one was looked at."""

    files: int
    is_estimate: bool


def forecast_files(shards: Sequence[Shard]) -> Forecast | None:
    """The files of ``shards`` that will be listed; None where no tar could be looked into."""
    known = sum(shard.file_count or 0 for shard in shards)
    tars = [shard for shard in shards if isinstance(shard, TarShard)]
    if not tars:
        return Forecast(known, False)
    sampled = [tars[len(tars) * n // SAMPLED_TARS] for n in range(min(SAMPLED_TARS, len(tars)))]
    if len(tars) < SAMPLED_TARS:
        sampled = tars
    peeks = [tar.peek(SAMPLED_MEMBERS) for tar in sampled]
    seen_files, seen_bytes = (sum(column) for column in zip(*peeks, strict=True))
    if not seen_bytes:
        return None
    all_bytes = sum(tar.size_bytes or 0 for tar in tars)
    return Forecast(known + round(seen_files * all_bytes / seen_bytes), seen_bytes < all_bytes)
