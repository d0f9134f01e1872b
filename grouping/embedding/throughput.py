"""Measures how busy reading, decoding and the model are, and which of them limits the throughput.

Comes in: seconds that each part was busy. Goes out: shares of the elapsed time, and the name of the busiest
part, for which the others wait. Not its job: showing them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

import msgspec


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Busy seconds of one pipeline, or the sum over several."""

    passed_s: float = 0.0
    reading_s: float = 0.0
    decoding_s: float = 0.0
    """Mean over the decoding threads."""
    model_s: float = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Shares of the elapsed time, in [0, 1], of ``reading``, ``decoding`` and ``model``."""
        passed_s = max(self.passed_s, 1e-9)
        busy = {"reading": self.reading_s, "decoding": self.decoding_s, "model": self.model_s}
        return {part: min(1.0, seconds / passed_s) for part, seconds in busy.items()}

    @property
    def bounded_by(self) -> str:
        """The busiest part."""
        shares = self.shares
        return max(shares, key=lambda part: shares[part])


def sum_throughputs(throughputs: Iterable[Throughput]) -> Throughput:
    """The sum over pipelines that run side by side."""
    every = list(throughputs)
    return Throughput(
        **{name: sum(getattr(each, name) for each in every) for name in Throughput.__struct_fields__}
    )


class Stopwatch:
    """Measures one pipeline, starting at construction. Thread-safe."""

    def __init__(self, decode_threads: int) -> None:
        self._decode_threads = decode_threads
        self._began = time.perf_counter()
        self._busy_s = {"reading": 0.0, "decoding": 0.0, "model": 0.0}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the block as busy time of ``part``: ``reading``, ``decoding`` or ``model``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent_s = time.perf_counter() - began
            with self._lock:
                self._busy_s[part] += spent_s

    def throughput(self) -> Throughput:
        """The figures up to now."""
        with self._lock:
            return Throughput(
                passed_s=time.perf_counter() - self._began,
                reading_s=self._busy_s["reading"],
                decoding_s=self._busy_s["decoding"] / self._decode_threads,
                model_s=self._busy_s["model"],
            )
