"""The worker's side of an executor: a desk that units come to and messages go from, whatever carries them.

Comes in: a set-up, what sends a message, units put into a queue. Goes out: messages. Not its job: how they
travel (see local, ray).
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
    """Another unit, please. The answer may be long in coming: as long as another worker may die."""


class Failed(NamedTuple):
    """No worker could do it: a full disk, a model that isn't there."""

    error: BaseException


class Crashed(NamedTuple):
    """The worker ends for a reason that another one may not meet: a GPU that failed, a bug."""

    error: Exception


def described(error: BaseException) -> str:
    """Why a worker ended that raised ``error``, as the end of a sentence."""
    return f"ended with {' '.join(f'{type(error).__name__}: {error}'.split())[:300]}"


class QueueDesk:
    """A Desk whose units are put into ``given``: numbered, or an exception in place of one."""

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


def serve(desk: QueueDesk, set_up: SetUp, name: str) -> None:
    """What a worker does, from its beginning to its end."""
    try:
        work = set_up(name)
        desk.send(Ready())
        work(desk)
    except (TriptychError, OSError) as error:
        _tell(desk, Failed(error))
    except Exception as error:
        error.add_note(traceback.format_exc())
        _tell(desk, Crashed(error))


def _tell(desk: QueueDesk, message: Failed | Crashed) -> None:
    try:
        pickle.loads(pickle.dumps(message))
    except Exception:  # an error that can't be pickled, or not be made again
        traceback.print_exc(file=sys.stderr)
        message = Crashed(RuntimeError(f"{type(message.error).__name__}: {message.error}"))
    with contextlib.suppress(OSError):  # the parent has gone
        desk.send(message)
