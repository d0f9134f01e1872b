"""The resources of this process, and child processes that ignore Ctrl-C.

Comes in: a block that starts processes. Goes out: nothing. Not its job: ending them; their parent does.
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
    """Raise the limit of open files as far as possible. Shells set 1,024, and each connection counts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, which a terminal sends to all: their parent ends them.

    They inherit the blocked signal. This process handles one that arrives meanwhile after the block: another
    of its threads can receive it although it is blocked here, so the handler is replaced, too.
    """
    resource_tracker.ensure_running()  # else it is started inside, and unblocks the signal
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
