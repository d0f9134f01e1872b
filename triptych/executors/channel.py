"""The worker's end of an executor: a queue of units, and messages back.

Comes in: a set-up, a function that sends a message, units that are put into the queue. Goes out: messages.
Not its job: how they are transported (see local, ray).
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from triptych.errors import TriptychError
from triptych.executors import Finished, Progressed, SetUp


class Ready(NamedTuple):
    """The worker is set up."""


class Wanted(NamedTuple):
    """The worker requests another unit. The answer can take long: units are withheld while another worker
    may die and leave some."""


class Failed(NamedTuple):
    """An error that every worker would meet: a full disk, a missing model."""

    error: BaseException


class Crashed(NamedTuple):
    """An error that another worker may not meet: a GPU that failed, a bug."""

    error: Exception


def described(error: BaseException) -> str:
    """The end of a sentence about a worker that raised ``error``."""
    return f"ended with {' '.join(f'{type(error).__name__}: {error}'.split())[:300]}"


class QueueChannel:
    """A Channel. Numbered units are put into ``given``, or an exception to raise in the worker."""

    def __init__(self, send: Callable[[object], None], ahead: int) -> None:
        self._send, self._ahead = send, ahead
        self.given: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def units(self) -> Iterator[tuple[int, Any]]:
        for _ in range(self._ahead):
            self.send(Wanted())
        while True:
            self.send(Wanted())
            unit = self.given.get()
            if isinstance(unit, Exception):
                raise unit
            yield unit

    def progress(self, number: int, message: Any) -> None:
        self.send(Progressed(number, message))

    def finish(self, number: int, result: Any = None) -> None:
        self.send(Finished(number, result))

    def send(self, message: object) -> None:
        with self._lock:
            self._send(message)


def serve(channel: QueueChannel, set_up: SetUp, name: str) -> None:
    """Set up a worker and do its work, to the end."""
    try:
        work = set_up(name)
        channel.send(Ready())
        work(channel)
    except (TriptychError, OSError) as error:
        _report(channel, Failed(error))
    except Exception as error:
        error.add_note(traceback.format_exc())
        _report(channel, Crashed(error))


def _report(channel: QueueChannel, message: Failed | Crashed) -> None:
    try:
        pickle.loads(pickle.dumps(message))
    except Exception:  # the error can't be pickled or unpickled
        traceback.print_exc(file=sys.stderr)
        message = Crashed(RuntimeError(f"{type(message.error).__name__}: {message.error}"))
    with contextlib.suppress(OSError):  # the parent is gone
        channel.send(message)
