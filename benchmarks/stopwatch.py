"""What a block or a process took: wall time, processor time, memory.

Comes in: a block, or a process's number. Goes out: seconds, MiB. Not its job: what is measured.
"""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path


class Stopwatch:
    """Wall seconds, and CPU seconds of this process and of the children that have ended."""

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = time.perf_counter(), _cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = _cpu_s() - self._cpu


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


class PeakMemory:
    """The most that a process and its children had in memory at one time, looked at 20 times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak_kib, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """In MiB."""
        self._over.set()
        self._thread.join()
        return self._peak_kib / 1024

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._peak_kib = max(self._peak_kib, sum(map(_rss_kib, _family(self._pid))))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _family(int(child)))]


def _rss_kib(pid: int) -> int:
    """Resident memory, pages shared with other processes divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
