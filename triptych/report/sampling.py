"""Samples a few of millions of items: the same ones every time, in bounded memory.

Comes in: a stream of items with ids. Goes out: those whose ids have the smallest hashes. In an even draw, and
in its first n items, each item has the same chance, so a precision can be estimated from it; it may be
stratified in proportion to the sizes of strata, which doesn't lose precision. Items that are added so that
rare kinds are seen are marked, and must not count. Not its job: reading items (see samples), strata (see
strata).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Hashable
from typing import Generic, Literal, NamedTuple, TypeVar

from triptych.runs.sampling import drawn_rank

T = TypeVar("T")

How = Literal["even", "rare"]


class Drawn(NamedTuple, Generic[T]):
    """An item, and whether it was drawn evenly or added because its kind is rare."""

    item: T
    how: How


class Draw(Generic[T]):
    """Keeps the ``count`` offered items with the smallest hashes."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._offered = 0
        self._heap: list[tuple[int, int, T]] = []

    def offer(self, identifier: str, item: T) -> None:
        """Take ``item`` into account. An id that is offered twice counts twice."""
        self._offered += 1
        entry = (-drawn_rank(identifier), self._offered, item)
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, entry)
        elif self._count and entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def taken(self) -> list[T]:
        """The kept items, smallest hash first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]


class SpreadDraw(Generic[T]):
    """An even draw in which each stratum has a share in proportion to its size."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._strata: dict[Hashable, Draw[tuple[str, T]]] = {}
        self._sizes: Counter[Hashable] = Counter()

    def offer(self, identifier: str, stratum: Hashable, item: T) -> None:
        """Take ``item`` of ``stratum`` into account."""
        self._strata.setdefault(stratum, Draw(self._count)).offer(identifier, (identifier, item))
        self._sizes[stratum] += 1

    def taken(self, at_most: int | None = None) -> list[T]:
        """The kept items, smallest hash first.

        From a stratum with a share of 2.3 items, 2 or 3 are drawn (systematic sampling): all items, stratum
        after stratum, form a line that is cut into ``count`` equal parts; the same point in each part, chosen
        by a hash, selects a stratum.
        """
        total = self._sizes.total()
        count = min(self._count if at_most is None else min(at_most, self._count), total)
        point, before, found = drawn_rank(f"point of {total}") / 2**64, 0, list[tuple[str, T]]()
        for stratum, draw in sorted(self._strata.items(), key=lambda pair: repr(pair[0])):
            after = before + self._sizes[stratum]
            share = math.floor(count * after / total + point) - math.floor(count * before / total + point)
            found += draw.taken()[:share]
            before = after
        return [item for _, item in sorted(found, key=lambda pair: drawn_rank(pair[0]))]


class StratifiedDraw(Generic[T]):
    """An even draw over everything, plus a few of each stratum that is missing in it."""

    def __init__(self, count: int, count_per_stratum: int) -> None:
        self._per_stratum = count_per_stratum
        self._even: SpreadDraw[tuple[Hashable, T]] = SpreadDraw(count)
        self._strata: dict[Hashable, Draw[T]] = {}

    def offer(self, identifier: str, stratum: Hashable, item: T, spread: Hashable | None = "") -> None:
        """Take ``item`` of ``stratum`` into account. ``spread`` is its stratum in the even draw; None leaves
        it out of that draw."""
        if spread is not None:
            self._even.offer(identifier, spread, (stratum, item))
        self._strata.setdefault(stratum, Draw(self._per_stratum)).offer(identifier, item)

    def taken(self, at_most_even: int | None = None, at_most_rare: int | None = None) -> list[Drawn[T]]:
        """Evenly drawn items first, then more of the strata with fewer than ``count_per_stratum`` of them."""
        even = self._even.taken(at_most_even)
        seen = Counter(stratum for stratum, _ in even)
        drawn = [item for _, item in even]
        rare: list[T] = []
        for stratum, draw in sorted(self._strata.items(), key=lambda pair: repr(pair[0])):
            others = [item for item in draw.taken() if item not in drawn]
            rare += others[: max(self._per_stratum - seen[stratum], 0)]
        return [
            *(Drawn(item, "even") for _, item in even),
            *(Drawn(item, "rare") for item in rare[:at_most_rare]),
        ]
