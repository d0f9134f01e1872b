"""What runs in an actor of a cluster: a worker whose calls bring units, and wait for what there is to say.

Comes in: a set-up and units, pickled. Goes out: messages of a few bytes; what is larger lies in a file of the
folder that all nodes share. Not its job: Ray, which makes an actor of it (see ray).
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
from triptych.executors.desk import Crashed, Failed, QueueDesk, Ready, described, serve

MESSAGE_BYTES = 8 * 1024
"""What is larger goes through a file."""

DRIVER = "driver"
"""A file in the shared folder, which each worker looks for."""


class SetUpDone(NamedTuple):
    """The worker is set up."""

    version: str
    """Its Triptych's."""


class ActorWorker:
    """In an actor's process: a thread that works; calls bring units, and wait for what there is to say."""

    def __init__(
        self, set_up: Stored, name: str, ahead: int, folder: str, environment: Mapping[str, str] = {}
    ) -> None:
        os.environ.update(environment)
        self._folder = Path(folder)
        self._said: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._desk = QueueDesk(self._send, ahead)
        threading.Thread(target=self._work, args=(set_up, name), daemon=True).start()

    def messages(self) -> list[object]:
        """Those that there are; waits for the first."""
        messages = [self._said.get()]
        while True:
            try:
                messages.append(self._said.get_nowait())
            except queue.Empty:
                return messages

    def give(self, number: int, unit: Stored) -> None:
        """A unit that was wanted."""
        try:
            self._desk.given.put((number, unit.load()))
        except Exception as error:  # the driver has to know
            self._desk.given.put(error)

    def _work(self, set_up: Stored, name: str) -> None:
        if not (self._folder / DRIVER).is_file():
            run = self._folder.parent
            expected = "a file system that all nodes share, at the same path on each"
            error = SetupError(f"{run} is not the run's folder here; expected {expected}", path=run)
            self._said.put(Failed(error))
            return
        try:
            work = set_up.load()
        except Exception as error:
            self._said.put(Crashed(RuntimeError(described(error))))
            return
        serve(self._desk, work, name)

    def _send(self, message: object) -> None:
        match message:
            case Ready():
                message = SetUpDone(triptych_version())
            case Finished(number, result):
                message = Finished(number, stored(self._folder, result))
        self._said.put(message)


class Stored(NamedTuple):
    """What goes from one machine to another: itself, pickled, or in a file."""

    content: bytes | None
    path: str = ""

    def load(self) -> Any:
        return pickle.loads(Path(self.path).read_bytes() if self.content is None else self.content)

    def remove(self) -> None:
        """Nobody needs it any more."""
        if self.path:
            Path(self.path).unlink(missing_ok=True)


def stored(folder: Path, value: Any) -> Stored:
    content = pickle.dumps(value)
    if len(content) <= MESSAGE_BYTES:
        return Stored(content)
    path = folder / f"{uuid.uuid4().hex}.pickle"
    path.write_bytes(content)
    return Stored(None, str(path))


def taken(stored: Stored) -> Any:
    """What was stored for this process alone."""
    value = stored.load()
    stored.remove()
    return value


def triptych_version() -> str:
    """Triptych's. It is there already: a module this low doesn't import the package itself."""
    return str(sys.modules["triptych"].__version__)
