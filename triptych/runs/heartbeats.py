"""Heartbeats: every worker reports its progress in a small file of the run folder.

    RUN/workers/<purpose>-<worker>-<host>-<pid>.json

Comes in: units that a worker takes and finishes, its engine's status. Goes out: one file per worker, replaced
every HEARTBEAT_INTERVAL_S, atomically but without a sync; one that can't be written is skipped. Not its job:
judging workers by it (see triptych.workers), adding it to an executor's workers (see executor_heartbeats).
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

HEARTBEAT_INTERVAL_S = 10.0

PACE_WINDOW_S = 300.0
"""The window over which a worker's pace is measured: long enough for some units of most kinds of work."""

FOLDER = "workers"


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an endpoint, as seen by a worker that uses it."""

    url: str
    in_flight: int
    slots: int
    """Requests that it currently gets at a time."""
    mean_latency_s: float
    is_well: bool


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a worker. Times are seconds since 1970 by the clock of its own node."""

    worker: str
    purpose: str
    host: str
    pid: int
    began_at: float
    at: float
    ended: bool = False
    """Whether it has finished."""
    units: int = 0
    """Finished since it began."""
    items: int = 0
    """Images or captions since it began; 0 if its work doesn't count any."""
    unit: str = ""
    """The unit that it has worked on for longest; empty if it has none."""
    unit_since: float = 0.0
    recent_s: float = 0.0
    """The length of the window of the following fields, at most PACE_WINDOW_S."""
    recent_units: int = 0
    recent_items: int = 0
    recent_waited_s: float = 0.0
    """Time without a unit."""
    recent_cpu_s: float = 0.0
    """CPU time of its process, over all cores."""
    in_flight: float = 0.0
    """How many of its engine's slots were taken, on average since the last heartbeat."""
    slots: int = 0
    endpoints: tuple[EndpointStatus, ...] = ()
    pressure: dict[str, float] = {}
    """Linux's pressure stall information of its node: the share of the last minute in which something waited
    for cpu, io or memory; empty if the kernel doesn't report it."""


class EngineStatus(NamedTuple):
    """What a captioning engine reports."""

    slot_s: float
    """The integral of its taken slots over time, in slot-seconds."""
    slots: int
    endpoints: tuple[EndpointStatus, ...] = ()


_watched: list[Callable[[], EngineStatus]] = []
"""At most one function, for the engine of this process."""


def watch_engine(look: Callable[[], EngineStatus]) -> None:
    """Report this engine in all heartbeats of this process that have no engine of their own."""
    _watched[:] = [look]


class _Sample(NamedTuple):
    at: float
    """By the monotonic clock: the other one may be set back or forward."""
    units: int
    items: int
    waited_s: float
    cpu_s: float
    slot_s: float


class HeartbeatWriter:
    """Writes a worker's heartbeats while its ``with`` block runs. Thread-safe."""

    def __init__(
        self, run: Path, purpose: str, worker: str, engine: Callable[[], EngineStatus] | None = None
    ) -> None:
        self._run = run
        self._purpose, self._worker, self._engine = purpose, worker, engine
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_repeatedly, name="heartbeat", daemon=True)
        self._began_at = time.time()
        self._units = self._items = 0
        self._waited_s = 0.0
        self._idle_since: float | None = time.monotonic()
        self._in_hand: dict[int, tuple[str, float]] = {}
        """By unit number: its name, and when it was taken."""
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
        """The worker has taken a unit."""
        name = str(getattr(unit, "name", unit if isinstance(unit, str) else "a unit"))
        with self._lock:
            self._waited_s = self._waited()
            self._idle_since = None
            self._in_hand[number] = (name, time.time())

    def advance(self, items: int) -> None:
        """The worker has done ``items`` more images or captions."""
        with self._lock:
            self._items += items

    def finish(self, number: int) -> None:
        """The worker has finished a unit."""
        with self._lock:
            self._units += 1
            self._in_hand.pop(number, None)
            is_idle = not self._in_hand
            if is_idle:
                self._idle_since = time.monotonic()
        if is_idle:  # it may be ended now, and never write its end
            self._write()

    def _waited(self) -> float:
        idle = 0.0 if self._idle_since is None else time.monotonic() - self._idle_since
        return self._waited_s + idle

    def _write_repeatedly(self) -> None:
        while not self._ended.wait(HEARTBEAT_INTERVAL_S):
            self._write()

    def _write(self) -> None:
        """Write a heartbeat. Ignores an OSError: the work doesn't depend on it."""
        with self._writing, contextlib.suppress(OSError):
            write_heartbeat(self._run, self._now())

    def _now(self) -> Heartbeat:
        looks = [self._engine] if self._engine is not None else _watched
        engine = looks[0]() if looks else EngineStatus(0.0, 0)
        with self._lock:
            work = self._units, self._items, self._waited()
            now = _Sample(time.monotonic(), *work, time.process_time(), engine.slot_s)
            unit, unit_since = min(self._in_hand.values(), key=lambda each: each[1], default=("", 0.0))
        before = self._samples[-1] if self._samples else now
        self._samples.append(now)
        while now.at - self._samples[0].at > PACE_WINDOW_S and len(self._samples) > 2:
            self._samples.popleft()
        first = self._samples[0]
        return Heartbeat(
            worker=self._worker,
            purpose=self._purpose,
            host=socket.gethostname(),
            pid=os.getpid(),
            began_at=self._began_at,
            at=time.time(),
            ended=self._ended.is_set(),
            units=now.units,
            items=now.items,
            unit=unit,
            unit_since=unit_since,
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


def heartbeat_file(run: Path, beat: Heartbeat) -> Path:
    """The path of a worker's heartbeat."""
    name = f"{beat.purpose} {beat.worker} {beat.host} {beat.pid}"
    return run / FOLDER / (re.sub(r"[^\w.]+", "-", name) + ".json")


def read_heartbeats(run: Path) -> list[Heartbeat]:
    """The last heartbeat of every worker, by purpose and name. Skips damaged files."""
    beats = []
    for path in (run / FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, *UNDECODABLE):
            beats.append(msgspec.json.decode(path.read_bytes(), type=Heartbeat))
    return sorted(beats, key=lambda beat: (beat.purpose, beat.worker))


def remove_heartbeats(run: Path, purpose: str, worker: str | None = None) -> None:
    """Remove the heartbeats of earlier workers with this ``purpose``, or of one ``worker`` among them."""
    for beat in read_heartbeats(run):
        if beat.purpose == purpose and worker in (None, beat.worker):
            with contextlib.suppress(OSError):
                heartbeat_file(run, beat).unlink()


def write_heartbeat(run: Path, beat: Heartbeat) -> None:
    """Write a heartbeat atomically. It isn't synced, since it is worthless after a crash."""
    path = heartbeat_file(run, beat)
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + PART_SUFFIX)
    part.write_bytes(msgspec.json.encode(beat))
    part.replace(path)


def _pressure() -> dict[str, float]:
    found = {}
    for name in ("cpu", "io", "memory"):
        with contextlib.suppress(OSError, ValueError):  # older kernels and some containers don't have it
            some = Path("/proc/pressure", name).read_text("ascii").split("\n")[0]
            found[name] = float(some.partition("avg60=")[2].split()[0]) / 100
    return found
