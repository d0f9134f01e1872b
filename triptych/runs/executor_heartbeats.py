"""Adds heartbeats to the workers of any executor.

Comes in: a function that opens an executor, a run folder. Goes out: the same function, with workers that
write heartbeats. Not its job: the content of a heartbeat (see heartbeats).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from triptych.executors import Channel, Executor, OpenExecutor, SetUp, Work
from triptych.runs.heartbeats import HeartbeatWriter, read_heartbeats, remove_heartbeats, write_heartbeat


def with_heartbeats(open_executor: OpenExecutor, run: Path) -> OpenExecutor:
    """``open_executor``, with workers that write heartbeats below ``run``."""

    @contextlib.contextmanager
    def opened(names: Iterable[str], set_up: SetUp, *, purpose: str, **settings: Any) -> Iterator[Executor]:
        remove_heartbeats(run, purpose)
        observed = _SetUpWithHeartbeat(set_up, run, purpose)
        try:
            with open_executor(names, observed, purpose=purpose, **settings) as executor:
                yield executor
        finally:
            for beat in read_heartbeats(run):  # workers that were killed haven't noted their end
                if beat.purpose == purpose and not beat.ended:
                    with contextlib.suppress(OSError):
                        write_heartbeat(run, msgspec.structs.replace(beat, ended=True))

    return opened


class _SetUpWithHeartbeat(msgspec.Struct, frozen=True):
    """A set-up whose work writes heartbeats."""

    set_up: SetUp
    run: Path
    purpose: str

    def __call__(self, name: str) -> Work:
        work = self.set_up(name)

        def work_with_heartbeat(channel: Channel) -> None:
            with HeartbeatWriter(self.run, self.purpose, name) as heartbeat:
                work(_ObservedChannel(channel, heartbeat))

        return work_with_heartbeat


class _ObservedChannel:
    """A channel that reports units and progress to a heartbeat writer."""

    def __init__(self, channel: Channel, heartbeat: HeartbeatWriter) -> None:
        self._channel, self._heartbeat = channel, heartbeat

    def units(self) -> Iterator[tuple[int, Any]]:
        for number, unit in self._channel.units():
            self._heartbeat.take(number, unit)
            yield number, unit

    def progress(self, number: int, message: Any) -> None:
        self._heartbeat.advance(getattr(message, "items", 0))
        self._channel.progress(number, message)

    def finish(self, number: int, result: Any = None) -> None:
        self._heartbeat.finish(number)
        self._channel.finish(number, result)
