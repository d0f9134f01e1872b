"""One `lmdeploy serve api_server` process: its port, log, start, health check, stop.

Comes in: a command line, an environment, a port that was reserved for it, a log. Goes out: a server at
``url``. It runs under a reaper (see process_reaper), so it ends with this process, however that ends. Not its
job: when to start and stop it (see supervisor).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from triptych.captioning.lmdeploy import process_reaper
from triptych.errors import SetupError

LOOPBACK = "127.0.0.1"

GRACE_S = 10.0
"""From SIGTERM to SIGKILL. A server with nothing to do ends in about a second; one that hangs never does."""

HEALTH_TIMEOUT_S = 10.0

KEPT_LOGS = 3
"""Earlier logs that stay."""

MAX_BYTES = 32 * 1024 * 1024
"""A larger log is rotated: a server runs for days."""

_TAIL_BYTES = 16 * 1024
_SHOWN = 600


class ServerProcess:
    """A server process. Not thread-safe."""

    def __init__(
        self, number: int, command: Sequence[str], environment: Mapping[str, str], port: int, log: ServerLog
    ) -> None:
        self.number = number
        self.url = f"http://{LOOPBACK}:{port}"
        self.log = log
        self._port = port
        self._command = command
        self._environment = environment
        self._reaper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a process, with a new log."""
        arguments = [str(os.getpid()), str(GRACE_S), *self._command]
        with self.log.begin() as log:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", process_reaper.__file__, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches this process only, which finishes captions
            )

    @property
    def exit_code(self) -> int | None:
        """None while the process runs."""
        return self._reaper.poll() if self._reaper is not None else None

    def is_healthy(self) -> bool:
        """Whether ``/health`` answers 200 within seconds. Ignores proxies of the environment."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=HEALTH_TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once, with all its processes; none is left when this returns."""
        self._end(signal.SIGQUIT, GRACE_S)

    def stop(self) -> None:
        """Let it finish for GRACE_S, then kill it."""
        self._end(signal.SIGTERM, 2 * GRACE_S)

    def ask_to_end(self) -> None:
        """Send SIGTERM without waiting, to stop several servers at the same time."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._reaper is not None and self._reaper.poll() is None:
            self._reaper.send_signal(number)

    def _end(self, how: signal.Signals, patience_s: float) -> None:
        self._signal(how)
        if self._reaper is None:
            return
        try:
            self._reaper.wait(patience_s)
        except subprocess.TimeoutExpired:  # the reaper itself is stopped: the server ends with it
            with contextlib.suppress(ProcessLookupError):
                self._reaper.kill()
            self._reaper.wait()


@contextlib.contextmanager
def reserved_ports(count: int, first: int | None = None) -> Iterator[list[int]]:
    """Free ports, or exactly those from ``first`` on, until the end of the ``with`` statement. Raises
    SetupError where one is in use.

    A server binds its port minutes later, when its weights are loaded, so a socket that is bound and doesn't
    listen holds it until then. Binding without SO_REUSEADDR keeps everyone else away, outgoing connections
    included; setting it afterwards lets the server listen there as well. Linux only.
    """
    with contextlib.ExitStack() as sockets:
        bound = [
            sockets.enter_context(_bound_socket(0 if first is None else first + number, count))
            for number in range(count)
        ]
        yield [each.getsockname()[1] for each in bound]


def _bound_socket(number: int, count: int) -> socket.socket:
    """A socket on port ``number``; 0: the kernel chooses one."""
    bound = socket.socket()
    try:
        bound.bind((LOOPBACK, number))
    except (OSError, OverflowError) as error:
        bound.close()
        raise SetupError(
            f"port {number} is in use on this machine ({error}); set captioning.lmdeploy.port to the first of"
            f" {count} free ports, or leave it out",
            key="captioning.lmdeploy.port",
        ) from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
    return bound


class ServerLog:
    """A server's log file, rotated at each start and when it grows too large. Earlier logs are kept beside
    it: ``lmdeploy-0.1.log`` is the last one before ``lmdeploy-0.log``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> BinaryIO:
        """Rotate the logs, and open an empty one for appending."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate_earlier()
        if self.path.exists():
            self.path.replace(self._earlier(1))
        return self.path.open("ab")

    def limit_size(self) -> None:
        """Rotate the log if it is too large. The server keeps appending to the same file."""
        if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
            self._rotate_earlier()
            shutil.copyfile(self.path, self._earlier(1))
            os.truncate(self.path, 0)

    def tail(self) -> str:
        """The last lines in one, at most a few hundred characters; empty for an empty log."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        words = " | ".join(" ".join(line.split()) for line in lines[-8:] if line.strip())
        return words if len(words) <= _SHOWN else "..." + words[-_SHOWN:]

    def _rotate_earlier(self) -> None:
        for number in range(KEPT_LOGS - 1, 0, -1):
            if self._earlier(number).exists():
                self._earlier(number).replace(self._earlier(number + 1))

    def _earlier(self, number: int) -> Path:
        return self.path.with_suffix(f".{number}.log")
