"""The protocol of captioning engines: what runs a model, in this process or on servers.

Comes in: requests with a prompt and JPEGs. Goes out: one completion for each, in the same order. How an
engine is configured, checked and found is described by an EngineSpec (see engines). Not an engine's job:
reading images, choosing targets, writing journals (see scheduler).
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
    """0: the likeliest token. Higher values flatten the distribution."""
    top_k: int = 1
    """Sample from this many of the likeliest tokens. 1 is greedy whatever the other values are."""
    top_p: float = 1.0
    """Sample from the likeliest tokens whose probabilities add up to this."""
    repetition_penalty: float = 1.0
    """Divides the scores of tokens that already occurred. 1: no penalty."""
    seed: int | None = None
    """None: the engine's default."""


GREEDY = Sampling()


class CaptionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One caption to make. ``images`` are JPEGs at the size of their tile grid, in order."""

    id: str
    prompt: str
    images: tuple[bytes, ...]
    max_tokens: int
    sampling: Sampling = GREEDY
    structured: bool = False
    """Constrain the answer to the JSON schema of ``structured.response_format``, if the engine supports
    it."""
    top_logprobs: int = 0
    """Return the probabilities of this many of the likeliest first tokens, if the engine supports it."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a request: a text, or a failure that starts with its class and a colon.

    ``finish_reason`` is ``stop`` if the model ended the text itself, ``length`` if max_tokens cut it off.
    """

    id: str
    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    failure: str | None = None
    first_tokens: dict[str, float] = {}
    """The probabilities of the likeliest first tokens, if they were requested and are known."""
    endpoint: str = ""
    """The URL of the endpoint that answered. Empty: a model in this process."""
    canary: str = ""
    """The id of the last canary that the endpoint had passed (see canary.watched_engine)."""


class Engine(Protocol):
    """Runs a model. ``caption`` may be called from ``concurrency`` threads at a time."""

    @property
    def group_size(self) -> int:
        """Requests per call. Rounding in a batched model may depend on what else is in the batch."""

    @property
    def concurrency(self) -> int:
        """How many concurrent calls keep it busy."""

    @property
    def slots(self) -> int:
        """How many requests it can work on at a time."""

    def slot_s(self) -> float:
        """Slot seconds so far: the number of busy slots, integrated over time."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What it actually runs, such as precision and served model. Captions of one generation share it."""

    def describe(self) -> str:
        """Which model it runs and where, for a log line."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion per request, in order.

        A request that can't be served gives a completion with a failure; it begins with ``too long:`` if
        fewer tiles may help. Raises SetupError if the engine can serve no requests any more.
        """

    def close(self) -> None:
        """Release its resources."""


class BusyMeter:
    """Measures how many slots of an engine are busy over time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._slot_s = 0.0
        self._counted_at = time.monotonic()

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy a slot for the duration of a ``with`` block."""
        self.change(+1)
        try:
            yield
        finally:
            self.change(-1)

    def change(self, by: int) -> None:
        """Occupy ``by`` more slots; free them if negative."""
        with self._lock:
            self._count()
            self._taken += by

    def slot_s(self) -> float:
        """See ``Engine.slot_s``."""
        with self._lock:
            self._count()
            return self._slot_s

    def _count(self) -> None:
        now = time.monotonic()
        self._slot_s += self._taken * (now - self._counted_at)
        self._counted_at = now
