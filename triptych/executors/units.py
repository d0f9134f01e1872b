"""The units of one run of an executor: which worker has which, and what happens when a worker dies.

Comes in: units, and what happened to those that were handed out. Goes out: the next unit for a worker. A unit
that a worker died with is handed out alone, to find out which of several units was at fault. Not its job:
workers.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Set
from statistics import median
from typing import Any, NamedTuple

from triptych.executors import MAX_DEATHS, GivenUp, Lost

SLOWER = 1.5
"""A unit that takes this many times the median is also given to an idle worker. The first result counts."""

TIMES_KEPT = 200


class Worker(ABC):
    """A worker, as seen by its executor."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.units: set[int] = set()
        """The numbers of the units it has."""
        self.wanted = 0
        """How many units it waits for."""
        self.is_ready = False
        self.crash: str | None = None
        """Why it ended, as the end of a sentence."""
        self.error: Exception | None = None
        """What it raised, if that is why it ended."""

    def give(self, number: int, unit: Any) -> None:
        """Send it a unit. If it has just died, that is noticed when its next message is received."""
        self.wanted -= 1
        self.units.add(number)
        self._send(number, unit)

    @abstractmethod
    def _send(self, number: int, unit: Any) -> None: ...


class Done(NamedTuple):
    """A unit that is finished."""

    unit: Any
    is_nowhere_else: bool
    """Whether no other worker has it."""


class Units:
    """Units, numbered in the order in which they are taken."""

    def __init__(
        self, units: Iterable[Any], *, copy_after_s: float | None = None, most_ahead: int | None = None
    ) -> None:
        """``copy_after_s``: no unit is given to a second worker before; None: never. ``most_ahead``: see
        Executor.run."""
        self._untaken: Iterator[tuple[int, Any]] | None = enumerate(units)
        self._next, self._most_ahead = 0, most_ahead
        self._again: deque[int] = deque()
        """Units of workers that died."""
        self._open: dict[int, _Open] = {}
        self._deaths: Counter[int] = Counter()
        self._took_s: deque[float] = deque(maxlen=TIMES_KEPT)
        self._copy_after_s = copy_after_s
        self._given_up: GivenUp | None = None
        """The last unit that was given up; None again once a unit is finished."""

    @property
    def are_left(self) -> bool:
        """Whether any is not finished yet."""
        return self._untaken is not None or bool(self._open)

    @property
    def _is_far_ahead(self) -> bool:
        """Whether the first unfinished unit has to be finished before more are taken."""
        first = next(iter(self._open), self._next)  # they are opened in order
        return self._most_ahead is not None and self._next - first >= self._most_ahead

    def is_open(self, number: int) -> bool:
        """Whether a unit was handed out and is not finished."""
        return number in self._open

    def give_out(self, workers: Iterable[Worker]) -> bool:
        """Give units to the workers that wait for some. Returns whether any is not finished yet."""
        for worker in workers:
            while worker.wanted and (unit := self.next_for(worker.units)) is not None:
                worker.give(*unit)
        return self.are_left

    def next_for(self, in_hand: Set[int]) -> tuple[int, Any] | None:
        """The next unit for a worker that has the units ``in_hand``; None if there is none now."""
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
        """Note that a worker has finished a unit. Returns None if another worker was faster."""
        unit = self._open.pop(number, None)
        if unit is None:
            return None
        self._took_s.append(time.monotonic() - unit.given_at)
        self._given_up = None
        return Done(unit.content, unit.workers == 1)

    def lose(self, lost: Lost, error: Exception, *, is_blamed: bool = True) -> Iterator[GivenUp]:
        """Hand out the units of a dead worker again; those that had MAX_DEATHS deaths are given up.

        ``is_blamed``: a unit may have caused the death. Raises ``error`` if the unit that ended last was
        given up as well: then the units are hardly at fault.
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
        """An unfinished unit that takes longer than usual."""
        if self._copy_after_s is None or not self._took_s:
            return None
        before = time.monotonic() - max(self._copy_after_s, SLOWER * median(self._took_s))
        for number, unit in self._open.items():
            if unit.workers == 1 and unit.given_at < before and not self._deaths[number]:
                return self._given(number)
        return None


class _Open:
    """A unit that was handed out and is not finished."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self.workers = 0
        """How many have it."""
        self.given_at = 0.0
