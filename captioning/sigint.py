"""Ctrl-C while captions are made: once to finish what is in flight, twice to stop now.

Comes in: SIGINT. Goes out: an event the first time, KeyboardInterrupt the second; so a commit that is
under way is never torn by the first. Not its job: what is finished (see scheduler).
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

NOTE = "\ninterrupted: finishing what is in flight; once more to stop now\n"


class Interrupts:
    """``stopping`` is set by the first SIGINT. Only in the main thread; elsewhere it does nothing."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.was_interrupted = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.was_interrupted and error is None:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.was_interrupted:
            raise KeyboardInterrupt
        self.was_interrupted = True
        self.stopping.set()
        os.write(2, NOTE.encode())  # print isn't safe here: the signal may have come in the middle of one
