"""An engine whose endpoints are asked the canary: before the first caption, and every so often after that.

Comes in: an engine, questions with known answers. Goes out: the same engine; its completions have the id of
the last canary that their endpoint passed. Below the bound no further caption is made: every call raises one
SetupError that names the endpoint, the question, what was answered and what was expected. Who notices that it
is time asks, on its own thread, while others go on. An endpoint that several processes share is asked by one
of them. Not its job: what is asked (see captions and statements), what becomes of captions made since the
last good canary (see runs.canaries).
"""

from __future__ import annotations

import ipaddress
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

from triptych.captioning.canary.question import Asks, Outcome, outcome
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.errors import SetupError
from triptych.runs.canaries import (
    CanaryRecord,
    canary_file,
    doubt,
    only_one_asks,
    read_canary,
    write_canary,
)

LEAST_REQUESTS = 100
"""A command that has fewer to make asks no canary: a person has read its captions sooner."""

LAST_AFTER_S = 300.0
"""At the end of a command endpoints are asked once more whose last canary is older."""

LOOK_EVERY_S = 5.0
"""How often it is looked whose time has come."""

AT_ONCE = 16
"""Endpoints that are asked at a time."""


def watched(
    engine: Engine,
    config: CaptioningConfig,
    asks: Asks,
    requests: int,
    run: Path,
    say: Callable[[str], None],
    since: float | None = None,
) -> Engine:
    """``engine``, watched where that is set and so many ``requests`` are worth it. Raises SetupError where an
    endpoint fails its canary (see WatchedEngine)."""
    if not config.canary.every_s or requests < LEAST_REQUESTS:
        return engine
    return WatchedEngine(engine, asks, config.canary.every_s, run, say, since)


class _Place(NamedTuple):
    """An endpoint, or the model in this process."""

    url: str
    """As completions name it."""
    name: str
    is_shared: bool
    endpoint: Endpoint | None


class WatchedEngine:
    """Thread-safe, as the engine in it is."""

    def __init__(
        self,
        engine: Engine,
        asks: Asks,
        every_s: float,
        run: Path,
        say: Callable[[str], None],
        since: float | None = None,
    ) -> None:
        """Asks all endpoints that are there. ``since``: what another process was answered after that time
        (seconds since 1970) counts; None: after now. Raises SetupError where an endpoint fails."""
        self._engine, self._run, self._say = engine, run, say
        self._asks, questions_of = asks
        self._questions = questions_of()
        self._every_s = every_s
        self._places = _places(engine)
        self._passed = {place.url: _new_id() for place in self._places}
        """What is made before the first canary has an id too."""
        self._seen_at = dict.fromkeys(self._passed, since or time.time())
        self._due_at = dict.fromkeys(self._passed, 0.0)
        self._look_at = 0.0
        self._looking = threading.Lock()
        self._said: set[str] = set()
        self._failure: str | None = None
        self._look()

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
        """The engine's own."""
        return [place.endpoint for place in self._places if place.endpoint is not None]

    def slot_s(self) -> float:
        return self._engine.slot_s()

    def describe(self) -> str:
        return self._engine.describe()

    def close(self) -> None:
        self._engine.close()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """As the engine does. Raises SetupError as well where an endpoint has failed its canary."""
        if time.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        completions = self._engine.caption(requests)
        self._refuse()
        return [
            msgspec.structs.replace(each, canary=self._passed.get(each.endpoint, "")) for each in completions
        ]

    def end(self) -> None:
        """Ask once more, whose last canary is older than LAST_AFTER_S. Raises SetupError as ``caption``."""
        now = time.time()
        for url, at in self._seen_at.items():
            if now - at > LAST_AFTER_S:
                self._due_at[url] = 0.0
        self._look()

    def _look(self) -> None:
        """Ask those whose time has come."""
        now = time.monotonic()
        due = [place for place in self._places if now >= self._due_at[place.url] and _is_well(place)]
        if due:
            # by this name it is left behind where the process has to end
            pool = ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="caption-canary")
            try:
                list(pool.map(self._see, due))
            finally:  # after Ctrl-C there is no waiting for answers
                pool.shutdown(wait=False, cancel_futures=True)
        self._look_at = time.monotonic() + min(LOOK_EVERY_S, self._every_s)
        self._refuse()

    def _refuse(self) -> None:
        if self._failure is not None:
            raise SetupError(self._failure)

    def _see(self, place: _Place) -> None:
        with only_one_asks(self._run, self._asks, place.name):
            before = read_canary(canary_file(self._run, self._asks, place.name))
            if place.is_shared and before is not None and before.at > self._seen_at[place.url]:
                self._take_over(place, before)  # another process has asked it meanwhile
            else:
                self._ask(place, before)

    def _take_over(self, place: _Place, record: CanaryRecord) -> None:
        if record.wrong:
            self._failure = self._failed(place, record.wrong)
        else:
            self._passed[place.url] = record.passed
        self._seen_at[place.url] = record.at
        self._due_at[place.url] = time.monotonic() + record.at + self._every_s - time.time()

    def _ask(self, place: _Place, before: CanaryRecord | None) -> None:
        found = outcome(self._questions, self._answers(place))
        self._due_at[place.url] = time.monotonic() + self._every_s
        if found.silence:
            self._say(f"canary: {place.name} can't be told: {found.silence}")
            return
        self._seen_at[place.url] = time.time()
        if found.wrong:
            doubt(self._run, self._passed[place.url], found.wrong)
            if before is not None:  # maybe of a command before this one
                doubt(self._run, before.passed, found.wrong)
            self._failure = self._failed(place, found.wrong)
        else:
            self._passed[place.url] = _new_id()
            if place.url not in self._said:
                self._said.add(place.url)
                self._say(f"canary: {found.right} of {found.answered} right on {place.name}")
        self._write(place, found, before)

    def _failed(self, place: _Place, wrong: str) -> str:
        table = "captioning" if self._asks == "captions" else "checking"
        return (
            f"canary: {place.name} is wrong about pictures with known contents: {wrong}. It may see no image,"
            " or another one: restart it or leave it out, and run the same command, which asks again for what"
            f" it made since its last good canary ({table}.canary.every_s=0 asks none)"
        )

    def _answers(self, place: _Place) -> list[Completion]:
        requests = [question.request for question in self._questions]
        if place.endpoint is not None:
            assert isinstance(self._engine, ServerEngine)
            return self._engine.caption_at(place.endpoint, requests)
        found: list[Completion] = []
        for _, group in groupby(requests, key=lambda request: len(request.images)):
            alike = list(group)
            for start in range(0, len(alike), self._engine.group_size):
                found += self._engine.caption(alike[start : start + self._engine.group_size])
        return found

    def _write(self, place: _Place, found: Outcome, before: CanaryRecord | None) -> None:
        write_canary(
            self._run,
            CanaryRecord(
                endpoint=place.name,
                asks=self._asks,
                passed=self._passed[place.url],
                at=self._seen_at[place.url],
                right=found.right,
                answered=found.answered,
                wrong=found.wrong,
                asked=1 + (before.asked if before else 0),
                requests=len(self._questions) + (before.requests if before else 0),
                prompt_tokens=found.prompt_tokens + (before.prompt_tokens if before else 0),
                completion_tokens=found.completion_tokens + (before.completion_tokens if before else 0),
            ),
        )


def _places(engine: Engine) -> list[_Place]:
    host = socket.gethostname()
    if not isinstance(engine, ServerEngine):
        return [_Place("", f"the model in a process on {host}", False, None)]
    found = []
    for each in engine.endpoints:
        is_local = _is_local(urlsplit(each.url).hostname or "")
        found.append(_Place(each.name, f"{each.name} on {host}" if is_local else each.name, True, each))
    return found


def _is_local(host: str) -> bool:
    """Whether a host means this machine, on any machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_well(place: _Place) -> bool:
    return place.endpoint is None or place.endpoint.is_well


def _new_id() -> str:
    return uuid.uuid4().hex[:12]
