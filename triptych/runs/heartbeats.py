"""What every worker writes of itself, so that the run folder alone tells how each is getting on.

    RUN/workers/<purpose>-<worker>-<host>-<pid>.json

Comes in: units that a worker takes and hands in, what its engine has in flight. Goes out: one small file a
worker, written anew every BEAT_EVERY_S, whole but not synced; a beat that can't be written is left out. Not
its job: what a beat means (see triptych.workers), whose workers beat (see beating_workers).
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from triptych.runs.jsonl import PART_SUFFIX, UNDECODABLE

BEAT_EVERY_S = 10.0

PACE_OVER_S = 300.0
"""What a worker's pace is measured over: some units of most kinds of work, and not the whole night."""

FOLDER = "workers"


class EndpointBeat(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint is doing, as a worker that asks it sees it."""

    url: str
    in_flight: int
    slots: int
    """Requests that it is given at a time now."""
    mean_latency_s: float
    is_well: bool


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One worker at one moment. Times of day are seconds since 1970 by the clock of its own node."""

    worker: str
    purpose: str
    host: str
    pid: int
    began_at: float
    at: float
    ended: bool = False
    """Whether it has no more to do."""
    units: int = 0
    """Handed in since it began."""
    items: int = 0
    """Images or captions since it began; 0 where its work doesn't count any."""
    unit: str = ""
    """The oldest that it has in hand; empty where it has none."""
    unit_since: float = 0.0
    recent_s: float = 0.0
    """The following are of the last so many seconds, PACE_OVER_S at most."""
    recent_units: int = 0
    recent_items: int = 0
    recent_waited_s: float = 0.0
    """Without any unit in hand."""
    recent_cpu_s: float = 0.0
    """Processor time of its process, over all cores."""
    in_flight: float = 0.0
    """Of its engine's slots so many were taken, on average since the last beat."""
    slots: int = 0
    endpoints: tuple[EndpointBeat, ...] = ()
    pressure: dict[str, float] = {}
    """Of its node: for what share of the last minute something waited for cpu, io, memory (Linux's pressure
    stall information); empty where the kernel doesn't say."""


class EngineBeat(NamedTuple):
    """What a captioning engine says of itself."""

    slot_s: float
    """The integral so far of its taken slots."""
    slots: int
    endpoints: tuple[EndpointBeat, ...] = ()


_watched: list[Callable[[], EngineBeat]] = []
"""At most one: of the engine that this process works with."""


def watch_engine(look: Callable[[], EngineBeat]) -> None:
    """Hearts of this process that are given no engine tell of this one from now on."""
    _watched[:] = [look]


class _Sample(NamedTuple):
    at: float
    units: int
    items: int
    waited_s: float
    cpu_s: float
    slot_s: float


class Heart:
    """Writes a worker's beats while its ``with`` block runs. Thread-safe."""

    def __init__(
        self, run: Path, purpose: str, worker: str, engine: Callable[[], EngineBeat] | None = None
    ) -> None:
        self._run = run
        self._purpose, self._worker, self._engine = purpose, worker, engine
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)
        self._began_at = time.time()
        self._units = self._items = 0
        self._waited_s = 0.0
        self._idle_since: float | None = time.monotonic()
        self._in_hand: dict[int, tuple[str, float]] = {}
        """Name of each unit, and since when."""
        self._samples: deque[_Sample] = deque()

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._write()

    def take(self, number: int, unit: Any) -> None:
        """It has one more unit."""
        name = str(getattr(unit, "name", unit if isinstance(unit, str) else "a unit"))
        with self._lock:
            self._waited_s = self._waited()
            self._idle_since = None
            self._in_hand[number] = (name, time.time())

    def advance(self, items: int) -> None:
        """So many more images or captions."""
        with self._lock:
            self._items += items

    def hand_in(self, number: int) -> None:
        """A unit is done."""
        with self._lock:
            self._units += 1
            self._in_hand.pop(number, None)
            if not self._in_hand:
                self._idle_since = time.monotonic()

    def _waited(self) -> float:
        idle = 0.0 if self._idle_since is None else time.monotonic() - self._idle_since
        return self._waited_s + idle

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_EVERY_S):
            self._write()

    def _write(self) -> None:
        """Never raises: the work doesn't depend on it."""
        with contextlib.suppress(OSError):
            write_beat(self._run, self._now())

    def _now(self) -> Beat:
        looks = [self._engine] if self._engine is not None else _watched
        engine = looks[0]() if looks else EngineBeat(0.0, 0)
        with self._lock:
            now = _Sample(
                *(time.time(), self._units, self._items, self._waited(), time.process_time(), engine.slot_s)
            )
            in_hand = min(self._in_hand.values(), key=lambda each: each[1], default=("", 0.0))
        before = self._samples[-1] if self._samples else now
        self._samples.append(now)
        while now.at - self._samples[0].at > PACE_OVER_S and len(self._samples) > 2:
            self._samples.popleft()
        first = self._samples[0]
        return Beat(
            worker=self._worker,
            purpose=self._purpose,
            host=socket.gethostname(),
            pid=os.getpid(),
            began_at=self._began_at,
            at=now.at,
            ended=self._ended.is_set(),
            units=now.units,
            items=now.items,
            unit=in_hand[0],
            unit_since=in_hand[1],
            recent_s=now.at - first.at,
            recent_units=now.units - first.units,
            recent_items=now.items - first.items,
            recent_waited_s=now.waited_s - first.waited_s,
            recent_cpu_s=now.cpu_s - first.cpu_s,
            in_flight=(now.slot_s - before.slot_s) / max(now.at - before.at, 1e-9),
            slots=engine.slots,
            endpoints=engine.endpoints,
            pressure=_pressure(),
        )


def beat_file(run: Path, beat: Beat) -> Path:
    """Where a worker's beats are."""
    name = f"{beat.purpose} {beat.worker} {beat.host} {beat.pid}"
    return run / FOLDER / (re.sub(r"[^\w.]+", "-", name) + ".json")


def read_beats(run: Path) -> list[Beat]:
    """The last beat of every worker, by purpose and name; what is no beat is passed over."""
    beats = []
    for path in (run / FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, *UNDECODABLE):
            beats.append(msgspec.json.decode(path.read_bytes(), type=Beat))
    return sorted(beats, key=lambda beat: (beat.purpose, beat.worker))


def forget_beats(run: Path, purpose: str, worker: str | None = None) -> None:
    """Remove those of an earlier crew with this ``purpose``; None: of every worker."""
    for beat in read_beats(run):
        if beat.purpose == purpose and worker in (None, beat.worker):
            with contextlib.suppress(OSError):
                beat_file(run, beat).unlink()


def write_beat(run: Path, beat: Beat) -> None:
    """Whole or not at all for who reads it; not synced, as it is worth nothing after a crash."""
    path = beat_file(run, beat)
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    part.write_bytes(msgspec.json.encode(beat))
    part.replace(path)


def _pressure() -> dict[str, float]:
    found = {}
    for name in ("cpu", "io", "memory"):
        with contextlib.suppress(OSError, ValueError):  # of an older kernel, or a container without
            some = Path("/proc/pressure", name).read_text("ascii").split("\n")[0]
            found[name] = float(some.partition("avg60=")[2].split()[0]) / 100
    return found
