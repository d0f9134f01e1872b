"""Ctrl-C while captions are made: once to finish what is in flight, twice to stop at once.

Comes in: SIGINT. Goes out: an event the first time, so that no commit is interrupted; KeyboardInterrupt the
second time. Not its job: finishing what is in flight (see scheduler).
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Self

NOTE = "\ninterrupted: finishing what is in flight; once more to stop now\n"


class Interrupts:
    """Sets ``stopping`` on the first SIGINT. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.was_interrupted = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.was_interrupted and error is None:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.was_interrupted:
            raise KeyboardInterrupt
        self.was_interrupted = True
        self.stopping.set()
        os.write(2, NOTE.encode())  # the signal may have interrupted a print, which isn't reentrant
