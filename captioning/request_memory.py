"""Keeps the requests that are in memory within a bound, in bytes of their images.

Comes in: a bound, and what each group comes to once it is made. Goes out: leave to make the next. How
large a group gets is known only afterwards: one that is being made counts as much as those before did on
average, so the bound holds but for their spread, and for the first few. Not its job: decoded pictures, of
which there is one a core (see pictures).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_EVERY_S = 0.5


class RequestMemory:
    """Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._being_made = 0
        self._made = 0
        self._made_bytes = 0
        self._changed = threading.Condition()

    @contextmanager
    def room(self, stopping: threading.Event) -> Iterator[Room]:
        """Wait until there is room or ``stopping`` is set; give it back at the end."""
        with self._changed:
            while self._is_full() and not stopping.is_set():
                self._changed.wait(LOOK_EVERY_S)
            self._being_made += 1
        room = Room(self)
        try:
            yield room
        finally:
            room.made()
            with self._changed:
                self._held_bytes -= room.held_bytes
                self._changed.notify_all()

    def made(self, size_bytes: int) -> None:
        """A group that had room comes to so much."""
        with self._changed:
            self._being_made -= 1
            self._made += 1
            self._made_bytes += size_bytes
            self._held_bytes += size_bytes
            self._changed.notify_all()

    def _is_full(self) -> bool:
        expected_bytes = self._being_made * self._made_bytes / max(self._made, 1)
        return self._held_bytes + expected_bytes >= self._max_bytes


class Room:
    """What one group holds."""

    def __init__(self, memory: RequestMemory) -> None:
        self.held_bytes = 0
        self._memory = memory
        self._is_made = False

    def made(self, size_bytes: int = 0) -> None:
        """The group's requests are there. Only the first call counts."""
        if not self._is_made:
            self._is_made = True
            self.held_bytes = size_bytes
            self._memory.made(size_bytes)
