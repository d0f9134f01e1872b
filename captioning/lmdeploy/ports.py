"""Reserves TCP ports for servers on this machine.

Comes in: how many, and the first number if it matters. Goes out: ports that no other program gets until they
are released. A server binds its port minutes later, when its weights are loaded, so a socket that is bound
and doesn't listen holds it until then. Binding without SO_REUSEADDR keeps everyone else away, outgoing
connections included; setting it afterwards lets the server listen there as well. Linux only.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from triptych.errors import SetupError

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def reserved_ports(count: int, first: int | None = None) -> Iterator[list[int]]:
    """Free ports, or exactly those from ``first`` on, until the end of the ``with`` statement. Raises
    SetupError where one is in use."""
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
