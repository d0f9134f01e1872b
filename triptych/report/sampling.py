"""Which of millions are shown: the same ones every time, in bounded memory.

Comes in: a stream of items with ids. Goes out: those whose ids have the smallest hashes. What is drawn
evenly has each item with the same chance, also its first n, so a precision may be read off it; it may be
spread over strata in proportion to how large they are, which makes it no less certain. What is added so that
rare kinds are seen is marked, and may not count. Not its job: what is sampled (see the readers), strata (see
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
    """Keeps the ``count`` items with the smallest hashes of all that are offered."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._offered = 0
        self._heap: list[tuple[int, int, T]] = []

    def offer(self, identifier: str, item: T) -> None:
        """Take ``item`` into account. An id that is offered again counts again."""
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
    """An even draw of which each stratum has its share, in proportion to its size."""

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

        Of a stratum that is due 2.3 items, 2 or 3 are drawn: a line of all items, stratum after stratum, is
        cut into ``count`` equal parts, and one point in each, which a hash chooses, says whose turn it is.
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
    """An even draw over everything, and a few of each stratum that it left out."""

    def __init__(self, count: int, count_per_stratum: int) -> None:
        self._per_stratum = count_per_stratum
        self._even: SpreadDraw[tuple[Hashable, T]] = SpreadDraw(count)
        self._strata: dict[Hashable, Draw[T]] = {}

    def offer(self, identifier: str, stratum: Hashable, item: T, spread: Hashable | None = "") -> None:
        """Take ``item`` of ``stratum`` into account. The even draw is spread over what ``spread`` says, and
        leaves out what has None there."""
        if spread is not None:
            self._even.offer(identifier, spread, (stratum, item))
        self._strata.setdefault(stratum, Draw(self._per_stratum)).offer(identifier, item)

    def taken(self, at_most_even: int | None = None, at_most_rare: int | None = None) -> list[Drawn[T]]:
        """Evenly drawn items first, then those of strata that have fewer than ``count_per_stratum`` there."""
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
