"""The figures of a job while it is at work.

Comes in: the figures of earlier runs, an engine, what is written. Goes out: figures as of now, and a line
for a person about the last LINE_OVER_S. Not its job: storing them (see figures, stage).
"""

from __future__ import annotations

import time
from collections import deque

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.metrics import Figures
from triptych.captioning.scheduler import Written

LINE_OVER_S = 60.0
"""What the progress line is about: long enough to be steady, short enough to see a change."""

SAMPLE_EVERY_S = 1.0


class Pace:
    """One job's, for one thread."""

    def __init__(self, before: Figures, engine: Engine) -> None:
        self._now = msgspec.structs.replace(before, latencies=dict(before.latencies), slots=engine.slots)
        self._before_s, self._before_slot_s = before.seconds, before.slot_s
        self._engine = engine
        self._began = time.monotonic()
        self._engine_began_s = engine.slot_s()
        self._samples: deque[Figures] = deque()

    def count(self, written: Written) -> None:
        """A group was written."""
        self._now.count(written.answers, written.took_s)

    def figures(self) -> Figures:
        """Of all runs of this job."""
        self._now.seconds = self._before_s + time.monotonic() - self._began
        self._now.slot_s = self._before_slot_s + self._engine.slot_s() - self._engine_began_s
        return self._now

    def line(self) -> str:
        """Of the last LINE_OVER_S of this run."""
        now = self.figures()
        if not self._samples or now.seconds - self._samples[-1].seconds >= SAMPLE_EVERY_S:
            self._samples.append(msgspec.structs.replace(now, latencies=dict(now.latencies)))
        while now.seconds - self._samples[0].seconds > LINE_OVER_S:
            self._samples.popleft()
        return now.since(self._samples[0]).line() if len(self._samples) > 1 else now.line()
