"""The worker that runs in an actor of a cluster. The driver calls it to hand out units and to get messages.

Comes in: a set-up and units, pickled. Goes out: messages of a few bytes; larger content goes through a file
in the folder that all nodes share. Not its job: Ray, which makes it an actor (see ray).
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from triptych.errors import SetupError
from triptych.executors import Finished
from triptych.executors.channel import Crashed, Failed, QueueChannel, Ready, described, serve

MESSAGE_BYTES = 8 * 1024
"""Content above this size goes through a file."""

DRIVER = "driver"
"""A file in the shared folder: a worker that doesn't find it doesn't have that folder."""


class SetUpDone(NamedTuple):
    """The worker is set up."""

    version: str
    """The version of Triptych there."""


class ActorWorker:
    """Lives in an actor's process. A thread does the work; the driver calls ``give`` and ``messages``."""

    def __init__(
        self, set_up: Stored, name: str, ahead: int, folder: str, environment: Mapping[str, str] = {}
    ) -> None:
        os.environ.update(environment)
        self._folder = Path(folder)
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._channel = QueueChannel(self._send, ahead)
        threading.Thread(target=self._work, args=(set_up, name), daemon=True).start()

    def messages(self) -> list[object]:
        """All waiting messages; blocks until there is one."""
        messages = [self._outbox.get()]
        while True:
            try:
                messages.append(self._outbox.get_nowait())
            except queue.Empty:
                return messages

    def give(self, number: int, unit: Stored) -> None:
        """Take a unit that was requested."""
        try:
            self._channel.given.put((number, unit.load()))
        except Exception as error:  # the driver has to know
            self._channel.given.put(error)

    def _work(self, set_up: Stored, name: str) -> None:
        if not (self._folder / DRIVER).is_file():
            run = self._folder.parent
            expected = "a file system that all nodes share, at the same path on each"
            error = SetupError(f"{run} is not the run's folder here; expected {expected}", path=run)
            self._outbox.put(Failed(error))
            return
        try:
            work = set_up.load()
        except Exception as error:
            self._outbox.put(Crashed(RuntimeError(described(error))))
            return
        serve(self._channel, work, name)

    def _send(self, message: object) -> None:
        match message:
            case Ready():
                message = SetUpDone(triptych_version())
            case Finished(number, result):
                message = Finished(number, store(self._folder, result))
        self._outbox.put(message)


class Stored(NamedTuple):
    """A pickled value on its way to another machine: inline, or in a file."""

    content: bytes | None
    path: str = ""

    def load(self) -> Any:
        return pickle.loads(Path(self.path).read_bytes() if self.content is None else self.content)

    def take(self) -> Any:
        """Load a value that nobody else needs."""
        value = self.load()
        self.remove()
        return value

    def remove(self) -> None:
        """Delete its file, if it has one."""
        if self.path:
            Path(self.path).unlink(missing_ok=True)


def store(folder: Path, value: Any) -> Stored:
    content = pickle.dumps(value)
    if len(content) <= MESSAGE_BYTES:
        return Stored(content)
    path = folder / f"{uuid.uuid4().hex}.pickle"
    path.write_bytes(content)
    return Stored(None, str(path))


def triptych_version() -> str:
    """The version of Triptych. The package is imported already; a module this low may not import it."""
    return str(sys.modules["triptych"].__version__)
