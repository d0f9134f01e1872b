"""Pieces of bytes from one process to another, through memory that both see.

Comes in: bytes, in one process. Goes out: the same, in another, as a view that is good until the next one is
asked for. A pipe says what lies where; of many kilobytes through the pipe itself the system would make two
more copies. Not its job: what the bytes are, and who starts and ends the processes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any

PLACES = 24
PLACE_BYTES = 1024 * 1024
"""Room for the rows of an SA-1B tar: who makes them goes on to the next while these are written."""

Memory = Any
"""An array of bytes that multiprocessing hands to a process that it starts."""


def shared_memory(context: SpawnContext) -> Memory:
    """PLACES places. The system takes it back when the last process that has it is gone, however it ended."""
    return context.RawArray(ctypes.c_char, PLACES * PLACE_BYTES)


class Sender:
    """The end that pieces are put in at. Besides them it sends objects, in the same order."""

    def __init__(self, pipe: Connection, memory: Memory) -> None:
        self._pipe, self._memory = pipe, memoryview(memory).cast("B")
        self._next, self._free = 0, PLACES

    def send_rows(self, piece: bytes) -> None:
        """Waits for a place. Raises EOFError or ConnectionError where nobody receives any more."""
        if len(piece) > PLACE_BYTES:
            self._pipe.send(piece)
            return
        if self._free == 0:
            self._pipe.recv_bytes()
            self._free = 1
        start = self._next * PLACE_BYTES
        self._memory[start : start + len(piece)] = piece
        self._pipe.send(len(piece))
        self._next, self._free = (self._next + 1) % PLACES, self._free - 1

    def send(self, message: object) -> None:
        """Anything but bytes and a number."""
        self._pipe.send(message)


def received(pipe: Connection, memory: Memory) -> Iterator[object]:
    """What a Sender sent, pieces as views of the memory. Raises EOFError where it is gone."""
    view, place = memoryview(memory).cast("B"), 0
    try:
        while True:
            message = pipe.recv()
            if not isinstance(message, int):
                yield message
                continue
            start = place * PLACE_BYTES
            yield view[start : start + message]
            place = (place + 1) % PLACES
            with suppress(OSError):  # A sender that has ended waits for no place.
                pipe.send_bytes(b"")
    except OSError:
        raise EOFError from None
