"""Metrics of captioning, small enough for a stage's notes, which add up over restarts.

Comes in: answers and how long they took, metrics of earlier commands. Goes out: totals, latency percentiles
from a histogram of fixed size; a progress line on the last minute; an estimate of the remaining time, once
this run has made captions. Not its job: the accounts of captions (see runs.ledger), storing notes (see
stage).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.regenerate import Answer
from triptych.errors import SetupError
from triptych.runs.folder import Setting
from triptych.runs.heartbeats import EndpointStatus, EngineStatus

STEP = 1.1
"""The ratio of neighbouring bucket bounds: a percentile is at most 10% above the true one."""

SHORTEST_S = 0.001
"""The bound of bucket 0."""

LINE_OVER_S = 60.0
"""The time that the progress line covers: long enough to be steady, short enough to show a change."""

SAMPLE_EVERY_S = 1.0


class JobMetrics(msgspec.Struct, kw_only=True):
    """Metrics of one job since its first caption."""

    made: int = 0
    failed: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    retried: int = 0
    """Requests that were sent more than once because of errors."""
    asked_again: int = 0
    """Captions that were asked for again because the first answer was unusable."""
    slot_s: float = 0.0
    """Slot seconds of the engine (see Engine.slot_s)."""
    slots: int = 0
    """The engine's slots in the last command."""
    latencies: dict[int, int] = {}
    """A histogram of answers: bucket n has those that took at most STEP ** n milliseconds."""

    def count(self, answers: Sequence[Answer], took_s: float) -> None:
        """Add a group of answers and the time that it took, retries included."""
        bucket = max(0, math.ceil(math.log(max(took_s, SHORTEST_S) / SHORTEST_S, STEP)))
        self.latencies[bucket] = self.latencies.get(bucket, 0) + len(answers)
        for answer in answers:
            completion = answer.completion
            self.prompt_tokens += completion.prompt_tokens
            self.completion_tokens += completion.completion_tokens
            self.retried += completion.attempts > answer.samples + len(answer.asked_again)
            self.asked_again += bool(answer.asked_again)
            self.made += completion.failure is None
            self.failed += completion.failure is not None

    def since(self, before: JobMetrics) -> JobMetrics:
        """The difference to ``before``, an earlier state of the same metrics."""
        latencies = {bucket: n - before.latencies.get(bucket, 0) for bucket, n in self.latencies.items()}
        counted = {
            name: getattr(self, name) - getattr(before, name)
            for name in self.__struct_fields__
            if name not in ("latencies", "slots")
        }
        return JobMetrics(**counted, slots=self.slots, latencies={k: n for k, n in latencies.items() if n})

    def latency_s(self, share: float) -> float | None:
        """The latency percentile at ``share`` (0 to 1); None if nothing was counted."""
        total = sum(self.latencies.values())
        seen = 0
        for bucket in sorted(self.latencies):
            seen += self.latencies[bucket]
            if seen >= share * total:
                return SHORTEST_S * STEP**bucket
        return None

    @property
    def rate(self) -> float:
        """Captions per second."""
        return self.made / self.seconds if self.seconds else 0.0

    @property
    def tokens_per_s(self) -> float:
        """Completion tokens per second."""
        return self.completion_tokens / self.seconds if self.seconds else 0.0

    @property
    def busy_share(self) -> float:
        """The share of the engine's slots that were busy on average, 0 to 1."""
        return self.slot_s / (self.slots * self.seconds) if self.slots and self.seconds else 0.0

    def line(self) -> str:
        """A summary to append to a progress line."""
        percentiles = ", ".join(
            f"p{share * 100:.0f} {seconds:.1f} s"
            for share in (0.5, 0.95, 0.99)
            if (seconds := self.latency_s(share)) is not None
        )
        parts = [f"{self.tokens_per_s:,.0f} tokens/s", percentiles, f"engine {self.busy_share:.0%} busy"]
        counts = {"retried": self.retried, "asked again": self.asked_again, "failed": self.failed}
        parts += [f"{count:,} {name}" for name, count in counts.items() if count]
        return ", ".join(part for part in parts if part)


class LiveMetrics:
    """The metrics of a running job, on top of those of earlier commands. Not thread-safe."""

    def __init__(self, before: JobMetrics, engine: Engine) -> None:
        self._now = msgspec.structs.replace(before, latencies=dict(before.latencies), slots=engine.slots)
        self._before_s, self._before_slot_s = before.seconds, before.slot_s
        self._engine = engine
        self._began = time.monotonic()
        self._engine_began_s = engine.slot_s()
        self._samples: deque[JobMetrics] = deque()

    def count(self, answers: Sequence[Answer], took_s: float) -> None:
        """Add a group of answers."""
        self._now.count(answers, took_s)

    def add(self, other: JobMetrics) -> None:
        """Add what a worker of a cluster has counted."""
        now = self._now
        for name in ("made", "failed", "prompt_tokens", "completion_tokens", "retried", "asked_again"):
            setattr(now, name, getattr(now, name) + getattr(other, name))
        for bucket, count in other.latencies.items():
            now.latencies[bucket] = now.latencies.get(bucket, 0) + count

    def now(self) -> JobMetrics:
        """Totals up to now."""
        self._now.seconds = self._before_s + time.monotonic() - self._began
        self._now.slot_s = self._before_slot_s + self._engine.slot_s() - self._engine_began_s
        return self._now

    def line(self) -> str:
        """A progress line on the last LINE_OVER_S."""
        now = self.now()
        if not self._samples or now.seconds - self._samples[-1].seconds >= SAMPLE_EVERY_S:
            self._samples.append(msgspec.structs.replace(now, latencies=dict(now.latencies)))
        while now.seconds - self._samples[0].seconds > LINE_OVER_S:
            self._samples.popleft()
        return now.since(self._samples[0]).line() if len(self._samples) > 1 else now.line()


def engine_status(engine: Engine) -> EngineStatus:
    """The engine's state for its worker's heartbeat."""
    endpoints = tuple(
        EndpointStatus(
            url=each.url,
            in_flight=each.in_flight,
            slots=each.limit.limit,
            mean_latency_s=each.mean_latency_s,
            is_well=each.is_well,
        )
        for each in getattr(engine, "endpoints", ())
    )
    return EngineStatus(engine.slot_s(), engine.slots, endpoints)


def as_notes(job: str, metrics: JobMetrics) -> dict[str, Setting]:
    """Metrics as flat notes for run.json."""
    tree = msgspec.to_builtins(metrics)
    tree["latencies"] = " ".join(f"{bucket}:{count}" for bucket, count in sorted(metrics.latencies.items()))
    tree["seconds"] = round(metrics.seconds, 3)
    tree["slot_s"] = round(metrics.slot_s, 3)
    return {f"{job}.{name}": value for name, value in tree.items() if name != "failed"} | {
        f"{job}.failed_requests": metrics.failed
    }


def from_notes(job: str, notes: Mapping[str, Setting]) -> JobMetrics:
    """Read what ``as_notes`` made. Zeros if there are no notes; raises SetupError if they can't be read."""
    tree: dict[str, object] = {
        name: notes[f"{job}.{name}"]
        for name in JobMetrics.__struct_fields__
        if f"{job}.{name}" in notes and name not in ("latencies", "failed")
    }
    pairs = (pair.partition(":") for pair in str(notes.get(f"{job}.latencies", "")).split())
    tree["failed"] = notes.get(f"{job}.failed_requests", 0)
    try:
        tree["latencies"] = {int(bucket): int(count) for bucket, _, count in pairs}
        return msgspec.convert(tree, JobMetrics)
    except ValueError as error:  # msgspec.ValidationError is a subclass
        raise SetupError(f"the notes on the speed of {job} in run.json can't be read: {error}") from None


def expected_time(notes: Mapping[str, Setting], missing: Mapping[str, int]) -> str:
    """The expected time for the ``missing`` captions of each job, at the rates in ``notes``."""
    missing = {job: count for job, count in missing.items() if count}
    rates = {job: rate for job in missing if (rate := from_notes(job, notes).rate)}
    total = sum(missing.values())
    known_s = sum(missing[job] / rate for job, rate in rates.items())
    unknown = [job for job in missing if job not in rates]
    measured = ", ".join(f"{job} {rate:.3g}/s" for job, rate in rates.items())
    if not rates:
        return f"{total:,} captions to make, time unknown until measured: try --sample 50 first"
    known = sum(missing[job] for job in rates)
    line = f"about {_duration(known_s)} for {known:,} captions, as fast as so far in this run ({measured})"
    if unknown:
        line += f"; unknown for {total - known:,} of {', '.join(unknown)}"
    return line


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
