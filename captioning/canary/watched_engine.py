"""Wraps an engine whose endpoints are asked the canary before the first caption, and every so often after it.

Comes in: an engine, questions with known answers. Goes out: the same engine; its completions have the id of
the last canary that their endpoint passed. Once an endpoint has failed one, every call raises a SetupError
that names the endpoint, the question, the answer and what was expected. A canary is asked on the thread of
the first call that finds it due, while other threads continue; if several processes share an endpoint, one of
them asks. Not its job: the questions (see captions and statements), what happens to captions made since the
last good canary (see runs.canaries).
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from triptych.captioning.canary.question import Canary, Outcome, outcome
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.proxies import is_loopback
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.errors import SetupError
from triptych.runs.canaries import (
    CanaryRecord,
    asking_lock,
    canary_file,
    mark_failed,
    read_canary,
    write_canary,
)

MIN_REQUESTS = 100
"""Commands with fewer requests ask no canary: reading their captions is quicker."""

FINAL_CANARY_AFTER_S = 300.0
"""At the end of a command, endpoints are asked once more if their last canary is older than this."""

LOOK_EVERY_S = 5.0
"""How often to look for due canaries."""

MAX_CONCURRENT = 16
"""Endpoints that are asked at the same time."""


def watched(
    engine: Engine,
    config: CaptioningConfig,
    asks: Canary,
    requests: int,
    run: Path,
    say: Callable[[str], None],
    since: float | None = None,
) -> Engine:
    """``engine``, wrapped in a WatchedEngine if canaries are on and there are enough ``requests``. Raises
    SetupError if an endpoint fails its first canary."""
    if not config.canary.every_s or requests < MIN_REQUESTS:
        return engine
    return WatchedEngine(engine, asks, config.canary.every_s, run, say, since)


class _Backend(NamedTuple):
    """An endpoint, or the model in this process."""

    url: str
    """As in completions. Empty for the model in this process."""
    name: str
    is_shared: bool
    endpoint: Endpoint | None


class WatchedEngine:
    """An engine that asks canaries. Thread-safe, like the wrapped engine."""

    def __init__(
        self,
        engine: Engine,
        asks: Canary,
        every_s: float,
        run: Path,
        say: Callable[[str], None],
        since: float | None = None,
    ) -> None:
        """Asks all endpoints that are up. ``since``: canaries that other processes asked after that time
        (seconds since 1970) are adopted; None: after now. Raises SetupError if an endpoint fails."""
        self._engine, self._run, self._say = engine, run, say
        self._asks, questions_of = asks
        self._questions = questions_of()
        self._every_s = every_s
        self._backends = _backends_of(engine)
        self._passed = {backend.url: _new_id() for backend in self._backends}
        """By URL. Captions made before the first canary have an id too."""
        self._seen_at = dict.fromkeys(self._passed, since or time.time())
        self._due_at = dict.fromkeys(self._passed, 0.0)
        self._next_look_at = 0.0
        self._looking = threading.Lock()
        self._announced: set[str] = set()
        self._failure: str | None = None
        self._ask_due()

    @property
    def group_size(self) -> int:
        return self._engine.group_size

    @property
    def concurrency(self) -> int:
        return self._engine.concurrency

    @property
    def slots(self) -> int:
        return self._engine.slots

    @property
    def identity(self) -> Mapping[str, str]:
        return self._engine.identity

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """The endpoints of the wrapped engine."""
        return [backend.endpoint for backend in self._backends if backend.endpoint is not None]

    def slot_s(self) -> float:
        return self._engine.slot_s()

    def describe(self) -> str:
        return self._engine.describe()

    def close(self) -> None:
        self._engine.close()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """See Engine.caption. Also raises SetupError once an endpoint has failed its canary."""
        if time.monotonic() >= self._next_look_at and self._looking.acquire(blocking=False):
            try:
                self._ask_due()
            finally:
                self._looking.release()
        completions = self._engine.caption(requests)
        self._raise_failure()
        return [
            msgspec.structs.replace(each, canary=self._passed.get(each.endpoint, "")) for each in completions
        ]

    def end(self) -> None:
        """Ask endpoints whose last canary is old once more. Raises SetupError if one fails."""
        now = time.time()
        for url, at in self._seen_at.items():
            if now - at > FINAL_CANARY_AFTER_S:
                self._due_at[url] = 0.0
        self._ask_due()

    def _ask_due(self) -> None:
        """Ask all endpoints that are up and due."""
        now = time.monotonic()
        due = [backend for backend in self._backends if now >= self._due_at[backend.url] and _is_up(backend)]
        if due:
            # the process doesn't wait at its end for threads of this name
            pool = ThreadPoolExecutor(min(MAX_CONCURRENT, len(due)), thread_name_prefix="caption-canary")
            try:
                list(pool.map(self._ask_or_adopt, due))
            finally:  # don't wait for answers after Ctrl-C
                pool.shutdown(wait=False, cancel_futures=True)
        self._next_look_at = time.monotonic() + min(LOOK_EVERY_S, self._every_s)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise SetupError(self._failure)

    def _ask_or_adopt(self, backend: _Backend) -> None:
        with asking_lock(self._run, self._asks, backend.name):
            before = read_canary(canary_file(self._run, self._asks, backend.name))
            if backend.is_shared and before is not None and before.at > self._seen_at[backend.url]:
                self._adopt(backend, before)  # another process has asked in the meantime
            else:
                self._ask(backend, before)

    def _adopt(self, backend: _Backend, record: CanaryRecord) -> None:
        if record.wrong:
            self._failure = self._failed(backend, record.wrong)
        else:
            self._passed[backend.url] = record.passed
        self._seen_at[backend.url] = record.at
        self._due_at[backend.url] = time.monotonic() + record.at + self._every_s - time.time()

    def _ask(self, backend: _Backend, before: CanaryRecord | None) -> None:
        found = outcome(self._questions, self._answers(backend))
        self._due_at[backend.url] = time.monotonic() + self._every_s
        if found.silence:
            self._say(f"canary: {backend.name} can't be judged: {found.silence}")
            return
        self._seen_at[backend.url] = time.time()
        if found.wrong:
            mark_failed(self._run, self._passed[backend.url], found.wrong)
            if before is not None:  # captions of an earlier command may have its id
                mark_failed(self._run, before.passed, found.wrong)
            self._failure = self._failed(backend, found.wrong)
        else:
            self._passed[backend.url] = _new_id()
            if backend.url not in self._announced:
                self._announced.add(backend.url)
                self._say(f"canary: {found.right} of {found.answered} right on {backend.name}")
        self._write(backend, found, before)

    def _failed(self, backend: _Backend, wrong: str) -> str:
        table = "captioning" if self._asks == "captions" else "checking"
        return (
            f"canary: {backend.name} is wrong about pictures with known contents: {wrong}. It may see no"
            " image, or another one: restart it or leave it out, and run the same command, which asks again"
            f" for what it made since its last good canary ({table}.canary.every_s=0 asks none)"
        )

    def _answers(self, backend: _Backend) -> list[Completion]:
        requests = [question.request for question in self._questions]
        if backend.endpoint is not None:
            assert isinstance(self._engine, ServerEngine)
            return self._engine.caption_at(backend.endpoint, requests)
        found: list[Completion] = []
        for _, group in groupby(requests, key=lambda request: len(request.images)):
            same_size = list(group)
            for start in range(0, len(same_size), self._engine.group_size):
                found += self._engine.caption(same_size[start : start + self._engine.group_size])
        return found

    def _write(self, backend: _Backend, found: Outcome, before: CanaryRecord | None) -> None:
        write_canary(
            self._run,
            CanaryRecord(
                endpoint=backend.name,
                asks=self._asks,
                passed=self._passed[backend.url],
                at=self._seen_at[backend.url],
                right=found.right,
                answered=found.answered,
                wrong=found.wrong,
                asked=1 + (before.asked if before else 0),
                requests=len(self._questions) + (before.requests if before else 0),
                prompt_tokens=found.prompt_tokens + (before.prompt_tokens if before else 0),
                completion_tokens=found.completion_tokens + (before.completion_tokens if before else 0),
            ),
        )


def _backends_of(engine: Engine) -> list[_Backend]:
    host = socket.gethostname()
    if not isinstance(engine, ServerEngine):
        return [_Backend("", f"the model in a process on {host}", False, None)]
    found = []
    for each in engine.endpoints:
        is_local = is_loopback(urlsplit(each.url).hostname or "")  # whichever machine uses the name
        found.append(_Backend(each.name, f"{each.name} on {host}" if is_local else each.name, True, each))
    return found


def _is_up(backend: _Backend) -> bool:
    return backend.endpoint is None or backend.endpoint.is_well


def _new_id() -> str:
    return uuid.uuid4().hex[:12]
