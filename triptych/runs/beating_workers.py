"""Workers that write heartbeats, whichever executor starts them.

Comes in: an executor's opener, a run folder. Goes out: the same opener; each worker's work beats beside it.
Not its job: what a beat holds (see heartbeats).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from triptych.executors import Desk, Executor, OpenExecutor, SetUp, Work
from triptych.runs.heartbeats import Heart, forget_beats, read_beats, write_beat


def with_heartbeats(open_executor: OpenExecutor, run: Path) -> OpenExecutor:
    """The same, whose workers write beats below ``run``."""

    @contextlib.contextmanager
    def opened(names: Iterable[str], set_up: SetUp, *, purpose: str, **settings: Any) -> Iterator[Executor]:
        forget_beats(run, purpose)
        try:
            with open_executor(names, _Beating(set_up, run, purpose), purpose=purpose, **settings) as inner:
                yield inner
        finally:
            for beat in read_beats(run):  # of workers that were ended
                if beat.purpose == purpose and not beat.ended:
                    with contextlib.suppress(OSError):
                        write_beat(run, msgspec.structs.replace(beat, ended=True))

    return opened


class _Beating(msgspec.Struct, frozen=True):
    """A set-up whose work beats."""

    set_up: SetUp
    run: Path
    purpose: str

    def __call__(self, name: str) -> Work:
        work = self.set_up(name)

        def beating(desk: Desk) -> None:
            with Heart(self.run, self.purpose, name) as heart:
                work(_BeatingDesk(desk, heart))

        return beating


class _BeatingDesk:
    """A desk that tells a heart what passes over it."""

    def __init__(self, desk: Desk, heart: Heart) -> None:
        self._desk, self._heart = desk, heart

    def units(self) -> Iterator[tuple[int, Any]]:
        for number, unit in self._desk.units():
            self._heart.take(number, unit)
            yield number, unit

    def progress(self, number: int, message: Any) -> None:
        self._heart.advance(getattr(message, "items", 0))
        self._desk.progress(number, message)

    def finish(self, number: int, result: Any = None) -> None:
        self._heart.hand_in(number)
        self._desk.finish(number, result)
