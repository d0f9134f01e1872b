"""How busy reading, decoding and the model are, and which of them bounds the throughput.

Comes in: seconds that each part was at work. Goes out: shares of the time that passed, and one word. A
part that is at work all the time is the one that the others wait for. Not its job: showing it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

import msgspec


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds at work, of one pipeline or the sum of several."""

    passed_s: float = 0.0
    reading_s: float = 0.0
    decoding_s: float = 0.0
    """On average of the decoding threads."""
    model_s: float = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Of the time that passed, in [0, 1]: ``reading``, ``decoding`` and ``model``."""
        passed_s = max(self.passed_s, 1e-9)
        at_work = {"reading": self.reading_s, "decoding": self.decoding_s, "model": self.model_s}
        return {part: min(1.0, seconds / passed_s) for part, seconds in at_work.items()}

    @property
    def bounded_by(self) -> str:
        """The part that is at work most of the time."""
        shares = self.shares
        return max(shares, key=lambda part: shares[part])


def sum_of(throughputs: Iterable[Throughput]) -> Throughput:
    """Of pipelines that run side by side."""
    every = list(throughputs)
    return Throughput(
        **{name: sum(getattr(each, name) for each in every) for name in Throughput.__struct_fields__}
    )


class Stopwatch:
    """Measures one pipeline from when it is made. Thread-safe."""

    def __init__(self, decode_threads: int) -> None:
        self._decode_threads = decode_threads
        self._began = time.perf_counter()
        self._at_work = {"reading": 0.0, "decoding": 0.0, "model": 0.0}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the block as work of ``part``: ``reading``, ``decoding`` or ``model``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent_s = time.perf_counter() - began
            with self._lock:
                self._at_work[part] += spent_s

    def throughput(self) -> Throughput:
        """Until now."""
        with self._lock:
            return Throughput(
                passed_s=time.perf_counter() - self._began,
                reading_s=self._at_work["reading"],
                decoding_s=self._at_work["decoding"] / self._decode_threads,
                model_s=self._at_work["model"],
            )
