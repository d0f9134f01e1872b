"""Measures wall time, CPU time and memory of a block or a process.

Comes in: a block, or the id of a process. Goes out: seconds, MiB. Not its job: what is measured.
"""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path


class Stopwatch:
    """Wall seconds, and CPU seconds of this process and its ended children."""

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
    """Peak memory of a process and its children together, sampled 20 times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak_kib, self._stopped = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self) -> float:
        """Stop sampling and return the peak in MiB."""
        self._stopped.set()
        self._thread.join()
        return self._peak_kib / 1024

    def _sample(self) -> None:
        while not self._stopped.wait(0.05):
            self._peak_kib = max(self._peak_kib, sum(map(_pss_kib, _process_tree(self._pid))))


def _process_tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _process_tree(int(child)))]


def _pss_kib(pid: int) -> int:
    """Resident memory, with pages shared between processes divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
