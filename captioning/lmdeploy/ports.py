"""TCP ports for servers on this machine, each held by one run at a time.

Comes in: how many are wanted, and from which number on. Goes out: ports that nobody listens at and no
other run of Triptych has taken. A server binds its port minutes after it was chosen, when its weights are
loaded, so looking isn't enough: each port is held by a socket with a name of its own, which the kernel
gives back when the process ends. Linux only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from typing import Self

from triptych.errors import SetupError

FIRST_PORT = 23333
"""lmdeploy's own default."""

LAST_PORT = 32767
"""Above, Linux hands ports out to whoever connects to somewhere."""

LOOPBACK = "127.0.0.1"


class HeldPorts:
    """Ports of this run until it is closed."""

    def __init__(self, count: int, first: int | None = None) -> None:
        """Free ones, or exactly those from ``first`` on. Raises SetupError where one can't be had."""
        self.numbers: list[int] = []
        self._held: list[socket.socket] = []
        candidates: Iterable[int] = range(FIRST_PORT, LAST_PORT + 1)
        if first is not None:
            candidates = range(first, first + count)
        try:
            for number in candidates:
                if len(self.numbers) < count and (held := _hold(number)) is not None:
                    self.numbers.append(number)
                    self._held.append(held)
                elif first is not None:
                    raise SetupError(
                        f"port {number} is in use on this machine; set captioning.lmdeploy.port to one that"
                        f" has {count} free from it on, or leave it out"
                    )
            if len(self.numbers) < count:
                raise SetupError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT}; free some")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for held in self._held:
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _hold(number: int) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
        held.bind(f"\0triptych-port-{number}")
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
        probe.bind((LOOPBACK, number))
        return held
    held.close()
    return None
