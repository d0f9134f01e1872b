"""Which of millions are shown: the same ones every time, in bounded memory.

Comes in: a stream of items with ids. Goes out: those whose ids have the smallest hashes. What is drawn
evenly is a simple random sample, also its first n, so a precision may be read off it; what is added
so that rare kinds are seen is marked, and may not. Not its job: what is sampled (see the readers).
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Hashable
from typing import Generic, Literal, NamedTuple, TypeVar

T = TypeVar("T")

How = Literal["even", "rare"]

_SALT = b"triptych report"
"""So that the draw is independent of those that made sets and limited jobs by hash."""


class Drawn(NamedTuple, Generic[T]):
    """An item, and whether it was drawn evenly or added because its kind is rare."""

    item: T
    how: How


class Draw(Generic[T]):
    """Keeps the ``count`` items with the smallest hashes of all that are offered."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._offered = 0
        self._heap: list[tuple[int, int, T]] = []

    def offer(self, identifier: str, item: T) -> None:
        """Take ``item`` into account. An id that is offered again counts again."""
        self._offered += 1
        entry = (-_rank(identifier), self._offered, item)
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, entry)
        elif self._count and entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def taken(self) -> list[T]:
        """The kept items, smallest hash first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]


class StratifiedDraw(Generic[T]):
    """An even draw over everything, and a few of each stratum that it left out."""

    def __init__(self, count: int, count_per_stratum: int) -> None:
        self._per_stratum = count_per_stratum
        self._even: Draw[tuple[Hashable, T]] = Draw(count)
        self._strata: dict[Hashable, Draw[T]] = {}

    def offer(self, identifier: str, stratum: Hashable, item: T) -> None:
        """Take ``item`` of ``stratum`` into account."""
        self._even.offer(identifier, (stratum, item))
        self._strata.setdefault(stratum, Draw(self._per_stratum)).offer(identifier, item)

    def taken(self, at_most_even: int | None = None, at_most_rare: int | None = None) -> list[Drawn[T]]:
        """Evenly drawn items first, then those of strata that have fewer than ``count_per_stratum`` there."""
        even = self._even.taken()[:at_most_even]
        seen: dict[Hashable, int] = {}
        for stratum, _ in even:
            seen[stratum] = seen.get(stratum, 0) + 1
        rare = [
            item
            for stratum, draw in sorted(self._strata.items(), key=lambda pair: repr(pair[0]))
            # Within a stratum the even draw holds its smallest hashes, so the rest follow those.
            for item in draw.taken()[seen.get(stratum, 0) :]
        ]
        return [
            *(Drawn(item, "even") for _, item in even),
            *(Drawn(item, "rare") for item in rare[:at_most_rare]),
        ]


def _rank(identifier: str) -> int:
    digest = hashlib.blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=8, key=_SALT)
    return int.from_bytes(digest.digest())
