"""Watches one lmdeploy server, and starts it again when it has died or hangs.

Comes in: a child, and what the engine that asks it knows: requests in flight, when the last byte came. Goes
out: a server that serves, most of the time, and rests while it doesn't; where it dies again and again, the
one line that says why. A thread of its own for each server. Not its job: requests.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.server_process import ServerProcess

LOOK_EVERY_S = 0.5
HEALTH_EVERY_S = 5.0
UNHEALTHY_S = 60.0
"""Without one good answer of /health and without a byte for so long, it is dead. lmdeploy's own word for a
stalled scheduler comes after 90 s more; a busy server is late, but not by that much."""

UNTIL_WOKEN_S = 7 * 24 * 3600.0

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Before the 1st, 2nd, ... start without a caption between: doubled each time."""


class Supervisor:
    """One server. ``on_given_up`` is called with the reason when it is given up, again and again."""

    def __init__(
        self,
        child: ServerProcess,
        endpoint: Endpoint,
        config: LmdeployConfig,
        say: Callable[[str], None],
        on_given_up: Callable[[str], None],
    ) -> None:
        """``child`` has been started and serves."""
        self._child = child
        self._endpoint = endpoint
        self._config = config
        self._say = say
        self._on_given_up = on_given_up
        self._deaths = 0
        self._serves_since = self._idle_at = self._healthy_at = self._health_asked_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-lmdeploy-{child.number}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Watch no more. The child is left as it is."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        """A watch that fell asleep would leave requests waiting for a server that never comes back."""
        try:
            self._watch()
        except Exception as error:
            self._give_up(f"could not be watched any more ({type(error).__name__}: {error})")

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            fault = self._fault()
            if fault is not None:
                self._lose(fault)
                if not self._bring_back(fault):
                    return

    def _fault(self) -> str | None:
        """What is wrong with the server at this moment."""
        code = self._child.exit_code
        if code is not None:
            return ended(code)
        now = time.monotonic()
        if self._endpoint.in_flight == 0:
            self._idle_at = now
        silent_s = now - max(self._endpoint.last_sign_at, self._idle_at, self._serves_since)
        if silent_s > self._config.hang_timeout_s:
            return f"has {self._endpoint.in_flight} requests and sent no byte for {silent_s:.0f} s"
        if now - self._health_asked_at > HEALTH_EVERY_S:
            self._health_asked_at = now
            with contextlib.suppress(OSError):  # a full disk is no fault of the server's
                self._child.log.limit_size()
            if self._child.is_healthy():
                self._healthy_at = time.monotonic()
        sign_at = max(self._healthy_at, self._endpoint.last_sign_at)
        if now - sign_at > UNHEALTHY_S:
            return f"has not been healthy for {now - sign_at:.0f} s"
        return None

    def _lose(self, fault: str) -> None:
        captioned = self._endpoint.last_sign_at > self._serves_since
        self._deaths = 1 if captioned else self._deaths + 1
        self._endpoint.rest(UNTIL_WOKEN_S)
        self._say(
            f"captions: lmdeploy server {self._child.number} {fault}; starting it again ({self._where()})"
        )
        self._child.kill()

    def _bring_back(self, fault: str) -> bool:
        """Start it until it serves. Whether it does; not where it was given up or the watch is to end."""
        while True:
            if self._deaths >= self._config.max_deaths:
                self._give_up(
                    f"died {self._deaths} times without a caption between, the last time it {fault}"
                )
                return False
            if self._stopping.wait(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self._deaths - 1))):
                return False
            self._child.start()
            found = why_not_serving([self._child], self._config.startup_timeout_s, self._stopping)
            if self._stopping.is_set():
                return False
            if found is None:
                break
            fault = found[1]
            self._deaths += 1
            self._child.kill()
        self._serves_since = self._healthy_at = time.monotonic()
        self._endpoint.wake()
        self._say(f"captions: lmdeploy server {self._child.number} is back")
        return True

    def _give_up(self, fault: str) -> None:
        """Say why until the supervisor is ended: a request that came at this very moment gets it too."""
        why = (
            f"lmdeploy server {self._child.number} {fault}; its last words: {self._child.log.last_words()}"
            f" ({self._where()}); mend that and run the same command: captions so far stay"
        )
        self._on_given_up(why)
        while not self._stopping.wait(LOOK_EVERY_S):
            self._on_given_up(why)

    def _where(self) -> str:
        return f"log: {self._child.log.path}"


def why_not_serving(
    children: Sequence[ServerProcess], timeout_s: float, stopping: threading.Event | None = None
) -> tuple[ServerProcess, str] | None:
    """Wait until all of ``children`` serve. None when they do, or when ``stopping`` is set; else the first
    one that doesn't, and what it has done, as the end of a sentence that begins with it."""
    stopping = stopping or threading.Event()
    began = time.monotonic()
    waiting = list(children)
    while waiting and not stopping.is_set():
        for child in waiting:
            if child.exit_code is not None:
                return child, ended(child.exit_code)
        waiting = [child for child in waiting if not child.is_healthy()]
        if waiting and time.monotonic() - began > timeout_s:
            return waiting[0], f"did not serve within {timeout_s:g} s"
        stopping.wait(LOOK_EVERY_S if waiting else 0)
    return None


def ended(code: int) -> str:
    """An exit code in words."""
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
