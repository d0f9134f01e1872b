"""TCP ports for servers on this machine, each held for one server.

Comes in: how many are wanted, and from which number on. Goes out: ports that nobody else gets until they are
given back. A server binds its port minutes after it was chosen, when its weights are loaded, so each is held
by a socket that is bound and doesn't listen. Bound alone, nobody else gets the port, this machine's outgoing
connections included; shared from then on, the server may listen there. Linux only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from triptych.errors import SetupError

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def held_ports(count: int, first: int | None = None) -> Iterator[list[int]]:
    """Free ports, or exactly those from ``first`` on, until the end of the ``with`` statement. Raises
    SetupError where one can't be had."""
    with contextlib.ExitStack() as held:
        sockets = [
            held.enter_context(_hold(0 if first is None else first + number, count))
            for number in range(count)
        ]
        yield [each.getsockname()[1] for each in sockets]


def _hold(number: int, count: int) -> socket.socket:
    """0: one of the kernel's choice."""
    held = socket.socket()
    try:
        held.bind((LOOPBACK, number))
    except (OSError, OverflowError) as error:
        held.close()
        raise SetupError(
            f"port {number} is in use on this machine ({error}); set captioning.lmdeploy.port to one that"
            f" has {count} free from it on, or leave it out",
            key="captioning.lmdeploy.port",
        ) from None
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
    return held
