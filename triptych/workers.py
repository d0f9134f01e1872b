"""The workers of a run: what each does, how fast it is, and why it is slow.

Comes in: the heartbeats that workers write to the run folder. Goes out: a WorkerState for each, and lines for
a terminal. Workers, nodes and clusters are never contacted. Not its job: writing heartbeats (see
runs.heartbeats).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from triptych.runs.heartbeats import HEARTBEAT_INTERVAL_S, EndpointStatus, Heartbeat, read_heartbeats

SILENT_AFTER_S = 6 * HEARTBEAT_INTERVAL_S
"""A worker without a heartbeat for this long is dead, or cut off from the file system."""

SLOW_SHARE = 0.5
"""A worker below this share of the median pace of its kind is slow."""

SLOW_LATENCY_RATIO = 2.0
"""An endpoint whose latency is this many times the median is slow."""

STALLED_SHARE = 0.2
"""A resource that a node waited for more than this share of the last minute is named as the reason."""

MAX_SHOWN = 40
"""With more workers, only slow and silent ones are shown."""

_RESOURCES = {
    "memory": "its node is short of memory",
    "io": "its node waits for disk or network",
    "cpu": "its node is short of processors",
}


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a worker, by its last heartbeat."""

    worker: str
    purpose: str
    host: str
    pid: int
    state: str
    """``at work``, ``waits`` (has nothing to do), ``silent`` or ``ended``."""
    seconds: float
    """From its start to its last heartbeat."""
    silent_s: float
    """Since its last heartbeat."""
    unit: str
    """The unit that it works on; empty if it has none."""
    unit_s: float
    """How long it has worked on that unit."""
    units: int
    items: int
    items_per_s: float
    """Images or captions, over the last five minutes; 0 if its work counts neither."""
    units_per_h: float
    in_flight: float
    slots: int
    endpoints: tuple[EndpointStatus, ...]
    slow_because: str = ""
    """Empty if it isn't slow."""

    @property
    def pace(self) -> float:
        """Items per second, or units per hour if its work counts no items."""
        return self.items_per_s if self.items else self.units_per_h


def worker_states(run: Path, now: float | None = None) -> list[WorkerState]:
    """The workers of the latest command of each purpose, in the order of purpose and name.

    ``now`` is a Unix time. If the clocks of nodes differ by more than SILENT_AFTER_S, live workers look
    silent.
    """
    beats = read_heartbeats(run)
    states = [_state(beat, time.time() if now is None else now) for beat in beats]
    paces: dict[str, list[float]] = {}
    for state in states:
        if state.state == "at work":
            paces.setdefault(state.purpose, []).append(state.pace)
    medians = {purpose: statistics.median(some) for purpose, some in paces.items() if len(some) > 1}
    return [
        msgspec.structs.replace(state, slow_because=_why_slow(state, beat, medians.get(state.purpose, 0.0)))
        for state, beat in zip(states, beats, strict=True)
    ]


def _state(beat: Heartbeat, now: float) -> WorkerState:
    silent_s = max(0.0, now - beat.at)
    if beat.ended:
        state = "ended"
    elif silent_s > SILENT_AFTER_S:
        state = "silent"
    else:
        state = "at work" if beat.unit else "waits"
    return WorkerState(
        worker=beat.worker,
        purpose=beat.purpose,
        host=beat.host,
        pid=beat.pid,
        state=state,
        seconds=max(0.0, beat.at - beat.began_at),
        silent_s=silent_s,
        unit=beat.unit,
        unit_s=max(0.0, beat.at - beat.unit_since) if beat.unit else 0.0,
        units=beat.units,
        items=beat.items,
        items_per_s=beat.recent_items / beat.recent_s if beat.recent_s else 0.0,
        units_per_h=3600 * beat.recent_units / beat.recent_s if beat.recent_s else 0.0,
        in_flight=beat.in_flight,
        slots=beat.slots,
        endpoints=beat.endpoints,
    )


def _why_slow(state: WorkerState, beat: Heartbeat, median: float) -> str:
    """The reason why a worker is slow, or "". ``median``: the pace of its purpose; 0 if it is alone."""
    if state.state != "at work" or state.pace >= SLOW_SHARE * median:
        return ""
    share = f"{state.pace / median:.0%} of the median pace"
    if beat.recent_s and beat.recent_waited_s > STALLED_SHARE * beat.recent_s:
        return f"{share}: it waited for work {beat.recent_waited_s / beat.recent_s:.0%} of the time"
    stalled = max(_RESOURCES, key=lambda name: beat.pressure.get(name, 0.0))
    if beat.pressure.get(stalled, 0.0) >= STALLED_SHARE:
        return f"{share}: {_RESOURCES[stalled]} {beat.pressure[stalled]:.0%} of the time"
    if beat.endpoints and beat.slots and beat.in_flight < SLOW_SHARE * beat.slots:
        return f"{share}: {beat.in_flight:.0f} of its engine's {beat.slots} slots are taken"
    cores = beat.recent_cpu_s / beat.recent_s if beat.recent_s else 0.0
    return f"{share}: its node gives no reason; its process used {cores:.1f} cores"


def worker_lines(states: Sequence[WorkerState], *, ended: bool = False) -> Iterator[str]:
    """The number of workers and nodes, then each worker; nothing if there are none. Workers that have ended
    are shown only with ``ended``."""
    live = [state for state in states if ended or state.state != "ended"]
    if not live:
        return
    well = sum(state.state != "silent" for state in live)
    nodes = {state.host for state in live}
    yield f"workers: {well} of {len(live)} there, on {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}"
    shown = live if len(live) <= MAX_SHOWN else [s for s in live if s.slow_because or s.state == "silent"]
    if len(shown) < len(live):
        yield f"  {len(live) - len(shown):,} have nothing to tell; --json shows all"
    for state in shown:
        yield f"  {state.host} {state.worker}, {state.purpose}: {', '.join(_details(state))}"
        median_s = statistics.median([each.mean_latency_s for each in state.endpoints] or [0.0])
        for each in state.endpoints if len(state.endpoints) > 1 and state.state != "ended" else ():
            is_slow = each.mean_latency_s > SLOW_LATENCY_RATIO * median_s > 0
            says = ", slow" if is_slow else "" if each.is_well else ", gives no answers"
            yield (
                f"    {each.url}: {each.in_flight} of {each.slots} slots,"
                f" {each.mean_latency_s:.1f} s an answer{says}"
            )


def _details(state: WorkerState) -> Iterator[str]:
    if state.state == "ended":
        done = f"{state.items:,} in {state.units:,} units" if state.items else f"{state.units:,} units"
        yield f"{done} in {_time(state.seconds)}, ended"
        return
    if state.state == "silent":
        what = f" with {state.unit} in hand" if state.unit else ""
        yield f"silent for {_time(state.silent_s)}{what}: its process, its node or the file system is gone"
        return
    if state.items:
        yield f"{state.items_per_s:,.1f}/s"
    elif state.units:
        yield f"{state.units_per_h:,.0f} units/h"
    if state.slots:
        yield f"{state.in_flight:.0f} of {state.slots} slots taken"
    yield f"{state.unit} for {_time(state.unit_s)}" if state.unit else "waits for work"
    if state.slow_because:
        yield f"slow, {state.slow_because}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
