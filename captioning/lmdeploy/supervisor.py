"""Watches one lmdeploy server, and restarts it when it has died or hangs.

Comes in: a server process, and the state of its endpoint: requests in flight, when the last byte came. Goes
out: a server that is restarted as often as needed, whose endpoint rests meanwhile; if it keeps dying, the
reason. Each server has a thread of its own. Not its job: requests.
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
"""Without a good answer of /health and without a byte for so long, the server counts as dead. lmdeploy itself
reports a stalled scheduler 90 s later; a busy server isn't that late."""

UNTIL_WOKEN_S = 7 * 24 * 3600.0
"""The endpoint's rest, which ``wake`` ends."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""The pause before a restart doubles each time, until the server captions again."""


class Supervisor:
    """Watches one server. ``on_given_up`` is called repeatedly with the reason once it is given up."""

    def __init__(
        self,
        child: ServerProcess,
        endpoint: Endpoint,
        config: LmdeployConfig,
        say: Callable[[str], None],
        on_given_up: Callable[[str], None],
    ) -> None:
        """``child`` has been started and is ready."""
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
        """Stop watching. The child is left as it is."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # otherwise requests would wait forever for a server that has died
            self._give_up(f"could not be watched any more ({type(error).__name__}: {error})")

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            fault = self._fault()
            if fault is not None:
                self._take_down(fault)
                if not self._restart(fault):
                    return

    def _fault(self) -> str | None:
        """What is wrong with the server now; None where nothing is."""
        code = self._child.exit_code
        if code is not None:
            return exit_reason(code)
        now = time.monotonic()
        if self._endpoint.in_flight == 0:
            self._idle_at = now
        silent_s = now - max(self._endpoint.last_sign_at, self._idle_at, self._serves_since)
        if silent_s > self._config.hang_timeout_s:
            return f"has {self._endpoint.in_flight} requests and sent no byte for {silent_s:.0f} s"
        if now - self._health_asked_at > HEALTH_EVERY_S:
            self._health_asked_at = now
            with contextlib.suppress(OSError):  # a full disk is not the server's fault
                self._child.log.limit_size()
            if self._child.is_healthy():
                self._healthy_at = time.monotonic()
        sign_at = max(self._healthy_at, self._endpoint.last_sign_at)
        if now - sign_at > UNHEALTHY_S:
            return f"has not been healthy for {now - sign_at:.0f} s"
        return None

    def _take_down(self, fault: str) -> None:
        has_captioned = self._endpoint.last_sign_at > self._serves_since
        self._deaths = 1 if has_captioned else self._deaths + 1
        self._endpoint.rest(UNTIL_WOKEN_S)
        self._say(f"captions: lmdeploy server {self._child.number} {fault}; restarting it ({self._where()})")
        self._child.kill()

    def _restart(self, fault: str) -> bool:
        """Restart it until it is ready. False where it was given up, or the watch is to end."""
        while True:
            if self._deaths >= self._config.max_deaths:
                self._give_up(
                    f"died {self._deaths} times without a caption in between, the last time it {fault}"
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
        self._say(f"captions: lmdeploy server {self._child.number} is ready again")
        return True

    def _give_up(self, fault: str) -> None:
        """Report the reason until the supervisor is ended, so that requests that come just now get it too."""
        why = (
            f"lmdeploy server {self._child.number} {fault}; its log ends with: {self._child.log.tail()}"
            f" ({self._where()}); fix that and run the same command again: captions so far stay"
        )
        self._on_given_up(why)
        while not self._stopping.wait(LOOK_EVERY_S):
            self._on_given_up(why)

    def _where(self) -> str:
        return f"log: {self._child.log.path}"


def why_not_serving(
    children: Sequence[ServerProcess], timeout_s: float, stopping: threading.Event | None = None
) -> tuple[ServerProcess, str] | None:
    """Wait until all of ``children`` are ready. Returns None when they are, or when ``stopping`` is set;
    otherwise the first one that isn't, and why, as the predicate of a sentence."""
    stopping = stopping or threading.Event()
    began = time.monotonic()
    waiting = list(children)
    while waiting and not stopping.is_set():
        for child in waiting:
            if child.exit_code is not None:
                return child, exit_reason(child.exit_code)
        waiting = [child for child in waiting if not child.is_healthy()]
        if waiting and time.monotonic() - began > timeout_s:
            return waiting[0], f"was not ready within {timeout_s:g} s"
        stopping.wait(LOOK_EVERY_S if waiting else 0)
    return None


def exit_reason(code: int) -> str:
    """What an exit code means, as the predicate of a sentence."""
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
