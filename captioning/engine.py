"""The seam between what is to be captioned and who runs the model.

Comes in: requests with a prompt and JPEGs. Goes out: one completion for each, in the same order. How an
engine is set, checked and found is an EngineSpec (see engines). Not an engine's job: reading images,
choosing targets, writing journals (see scheduler).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen. The default is greedy."""

    temperature: float = 0.0
    """0: the likeliest token. Higher: flatter chances."""
    top_k: int = 1
    """Among that many likeliest tokens; 1 is greedy whatever else is said."""
    top_p: float = 1.0
    """Among the likeliest tokens that together have this chance."""
    repetition_penalty: float = 1.0
    """Chances of tokens that were there before are divided by it. 1: none."""
    seed: int | None = None
    """Of the random choice; None: the engine's own."""


GREEDY = Sampling()


class CaptionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One caption to make. ``images`` are JPEGs at the size of their tile grid, in order."""

    id: str
    prompt: str
    images: tuple[bytes, ...]
    max_tokens: int
    sampling: Sampling = GREEDY
    structured: bool = False
    """The answer is held to the form of ``structured.response_format``. Only of an engine that can."""
    top_logprobs: int = 0
    """So many of the likeliest first tokens are to come with the answer, where the engine can tell them."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request: a text, or a failure that starts with its class and a colon.

    ``finish_reason`` is ``stop`` where the model ended by itself, ``length`` where max_tokens cut it.
    """

    id: str
    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    failure: str | None = None
    first_tokens: dict[str, float] = {}
    """The likeliest first tokens with their probabilities, where they were asked for and are known."""
    endpoint: str = ""
    """Who answered, by URL; empty for a model in this process."""
    canary: str = ""
    """The last canary that it had passed then, by id (see canary.watched_engine)."""


class Engine(Protocol):
    """Something that captions. ``caption`` may be called from ``concurrency`` threads at a time."""

    @property
    def group_size(self) -> int:
        """How many requests one call takes. What a group holds may change the rounding of its texts."""

    @property
    def concurrency(self) -> int:
        """How many calls at a time keep it busy."""

    @property
    def slots(self) -> int:
        """How many requests it works on at a time when it is full."""

    def slot_s(self) -> float:
        """The integral so far, in seconds, of how many of its slots were taken."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What it turned out to run (precision, served model): a run folder holds captions of one only."""

    def describe(self) -> str:
        """Half a line for a person: which model, where."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion a request, in order, sampled as each asks.

        A request that can't be served is a completion with a failure, one that begins with ``too long:``
        where fewer tiles may help. Raises SetupError where the
        engine can serve none any more.
        """

    def close(self) -> None:
        """Give back what it holds."""


class BusyMeter:
    """Measures for an engine how many of its slots are taken over time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._slot_s = 0.0
        self._counted_at = time.monotonic()

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Take a slot until the end of the ``with`` statement."""
        self.change(+1)
        try:
            yield
        finally:
            self.change(-1)

    def change(self, by: int) -> None:
        """So many slots are taken, or free again."""
        with self._lock:
            self._count()
            self._taken += by

    def slot_s(self) -> float:
        """As ``Engine.slot_s``."""
        with self._lock:
            self._count()
            return self._slot_s

    def _count(self) -> None:
        now = time.monotonic()
        self._slot_s += self._taken * (now - self._counted_at)
        self._counted_at = now
