"""What a process may use, and starting those that an interruption is not for.

Comes in: a block that starts some. Goes out: nothing. Not its job: ending them; their parent does.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def allow_open_files() -> None:
    """As many as this process may allow itself. Shells give 1,024, and each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """What is started inside never sees Ctrl-C, which a terminal sends to everyone: its parent ends it.

    It inherits the blocked signal. This process gets one that came in the meantime afterwards: another of
    its threads can take it in spite of the block, so the handler is put off, too.
    """
    resource_tracker.ensure_running()  # else it would be started inside, and lift the block
    came: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if is_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
