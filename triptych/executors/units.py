"""The units of one run of an executor: who has which, and what becomes of those whose worker dies.

Comes in: units, and what happened to those that were given out. Goes out: the next one for a worker. At a
unit that workers died with, a worker is alone: so it is found out which of several it was. Not its job:
workers.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Set
from statistics import median
from typing import Any, NamedTuple, Protocol

from triptych.executors import MAX_DEATHS, GivenUp, Lost

SLOWER = 1.5
"""Times the usual time, and a unit is given to a second worker that has nothing else to do. What is finished
first counts."""

TIMES_KEPT = 200


class Taker(Protocol):
    """A worker as its executor knows it."""

    wanted: int
    """Units that it waits for."""
    units: set[int]
    """The numbers of those that it has in hand."""

    def give(self, unit: tuple[int, Any]) -> None: ...


class Done(NamedTuple):
    """A unit that a worker has finished."""

    unit: Any
    is_nowhere_else: bool
    """Whether no other worker has it in hand."""


class Units:
    """Numbered as they are taken."""

    def __init__(
        self, units: Iterable[Any], *, copy_after_s: float | None = None, most_ahead: int | None = None
    ) -> None:
        """``copy_after_s``: a unit is given to a second worker after so long at least; None: never.
        ``most_ahead``: see Executor.run."""
        self._untaken: Iterator[tuple[int, Any]] | None = enumerate(units)
        self._next, self._most_ahead = 0, most_ahead
        self._again: deque[int] = deque()
        """Those of workers that died."""
        self._open: dict[int, _Open] = {}
        self._deaths: Counter[int] = Counter()
        self._took_s: deque[float] = deque(maxlen=TIMES_KEPT)
        self._copy_after_s = copy_after_s
        self._given_up: GivenUp | None = None
        """The last one, until a unit is finished."""

    @property
    def are_left(self) -> bool:
        """Whether any is not finished yet."""
        return bool(self._untaken is not None or self._open)

    @property
    def _is_far_ahead(self) -> bool:
        """Whether the first unit that isn't finished has to come first."""
        first = next(iter(self._open), self._next)  # they are opened in order
        return self._most_ahead is not None and self._next - first >= self._most_ahead

    def is_open(self, number: int) -> bool:
        """Whether a unit was given out and is not finished."""
        return number in self._open

    def give_out(self, takers: Iterable[Taker]) -> bool:
        """Give units to those who wait for some. Returns whether any is not finished yet."""
        for taker in takers:
            while taker.wanted and (unit := self.next_for(taker.units)) is not None:
                taker.give(unit)
        return self.are_left

    def next_for(self, in_hand: Set[int]) -> tuple[int, Any] | None:
        """The next unit for a worker that has those ``in_hand``; None where there is none now."""
        if any(self._deaths[number] for number in in_hand):
            return None
        if self._again:
            if self._deaths[self._again[0]] and in_hand:
                return None
            return self._given(self._again.popleft())
        if self._untaken is not None and not self._is_far_ahead:
            taken = next(self._untaken, None)
            if taken is not None:
                self._next += 1
                self._open[taken[0]] = _Open(taken[1])
                return self._given(taken[0])
            self._untaken = None
        return None if in_hand else self._copy()

    def finish(self, number: int) -> Done | None:
        """Note that a worker has finished. Returns the unit where it is the first that has finished it."""
        unit = self._open.pop(number, None)
        if unit is None:
            return None
        self._took_s.append(time.monotonic() - unit.given_at)
        self._given_up = None
        return Done(unit.content, unit.workers == 1)

    def lose(self, lost: Lost, error: Exception, *, is_blamed: bool = True) -> Iterator[GivenUp]:
        """Have the units of a dead worker done again, but for those that it was one too many for.

        ``is_blamed``: its death may be the fault of a unit. Raises ``error`` where the last unit that came to
        an end was given up too: then it's hardly the units' fault.
        """
        for number in reversed(lost.numbers):
            unit = self._open.get(number)
            if unit is None:
                continue
            unit.workers -= 1
            self._deaths[number] += is_blamed
            if self._deaths[number] < MAX_DEATHS:
                if not unit.workers:
                    self._again.appendleft(number)
                continue
            del self._open[number]
            if self._given_up is not None:
                raise error
            self._given_up = GivenUp(number, lost, error)
            yield self._given_up

    def _given(self, number: int) -> tuple[int, Any]:
        unit = self._open[number]
        unit.workers += 1
        unit.given_at = time.monotonic()
        return number, unit.content

    def _copy(self) -> tuple[int, Any] | None:
        """One that takes longer than it should."""
        if self._copy_after_s is None or not self._took_s:
            return None
        before = time.monotonic() - max(self._copy_after_s, SLOWER * median(self._took_s))
        for number, unit in self._open.items():
            if unit.workers == 1 and unit.given_at < before and not self._deaths[number]:
                return self._given(number)
        return None


class _Open:
    """A unit that is not finished."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self.workers = 0
        """That have it."""
        self.given_at = 0.0
