"""Follows the journals of a run, to show captions as they arrive.

Comes in: a run folder that another process may be writing to. Goes out: the last captions and failures, and
how many came in the last minute. Each look reads the size of every journal and what was appended; of what
existed before the first look, only the ends of a few journals are read. Not its job: counting captions (see
runs.ledger).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import msgspec

from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import DamagedLineError, decode_all

KEPT = 40
"""Captions, and failures, that are kept."""

MOST_READ_BYTES = 4 * 1024**2
"""Per journal and look. If more was appended, only the end is read."""

BEGINNING_BYTES = 64 * 1024
BEGINNING_JOURNALS = 4
"""At the first look, the ends of the most recently written journals are read."""

PACE_OVER_S = 60.0
SUFFIX = ".jsonl"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A new caption or failure."""

    number: int
    """Increases with every arrival."""
    shard: str
    caption: Caption


class Arrivals:
    """New captions of one run. Not thread-safe."""

    def __init__(self) -> None:
        self.captions: deque[Arrival] = deque(maxlen=KEPT)
        """The last captions with a text, oldest first."""
        self.failures: deque[Arrival] = deque(maxlen=KEPT)
        self._read_to: dict[str, int] = {}
        self._numbers = count(1)
        self._looked_at: float | None = None
        self._came: dict[str, deque[tuple[float, int]]] = {}
        """By job: time of the look before, and number of arrivals, within PACE_OVER_S."""

    def look(self, run: RunFolder, jobs: Iterable[str]) -> None:
        """Read what was appended to the journals of ``jobs`` since the last look."""
        now = time.monotonic()
        looked_at, self._looked_at = self._looked_at, now
        roots = {job: str(run.captions_folder(job)) for job in jobs}
        journals = [(job, entry.path, entry.stat()) for job, root in roots.items() for entry in _files(root)]
        if looked_at is None:
            self._begin(journals)
        for job, path, status in journals:
            size_bytes, read_to = status.st_size, self._read_to.get(path, 0)
            if size_bytes == read_to:
                continue
            if size_bytes < read_to:  # lines were removed
                self._read_to[path] = size_bytes
                continue
            if size_bytes - read_to > MOST_READ_BYTES:
                read_to = max(0, size_bytes - BEGINNING_BYTES)
            rows, self._read_to[path] = _rows_from(path, read_to)
            self._take_up(path[len(roots[job]) + 1 : -len(SUFFIX)], rows)
            if looked_at is not None:
                self._came.setdefault(job, deque()).append((looked_at, len(rows)))
        for came in self._came.values():
            while came and now - came[0][0] > PACE_OVER_S:
                came.popleft()

    def answers_per_s(self, job: str) -> float | None:
        """Captions and failures per second, over the last minute; None if there were none."""
        came = self._came.get(job)
        if not came:
            return None
        return sum(number for _, number in came) / max(time.monotonic() - came[0][0], 1.0)

    def _begin(self, journals: list[tuple[str, str, os.stat_result]]) -> None:
        """Skip existing lines, except the ends of a few journals."""
        self._read_to = {path: status.st_size for _, path, status in journals}
        for _, path, status in sorted(journals, key=lambda each: each[2].st_mtime_ns)[-BEGINNING_JOURNALS:]:
            self._read_to[path] = max(0, status.st_size - BEGINNING_BYTES)

    def _take_up(self, shard: str, rows: Iterable[Caption]) -> None:
        for row in rows:
            arrival = Arrival(number=next(self._numbers), shard=shard, caption=row)
            (self.captions if row.failure is None else self.failures).append(arrival)


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """The journals below a folder; none if it doesn't exist yet."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry.path)
        elif entry.name.endswith(SUFFIX):
            yield entry


def _rows_from(path: str, start: int) -> tuple[list[Caption], int]:
    """The complete lines from ``start`` on, and where they end. A line that begins before ``start`` is
    skipped; if a line is damaged, so are all of this look (`triptych verify` reports it)."""
    begin = max(0, start - 1)
    with Path(path).open("rb") as file:
        file.seek(begin)
        content = file.read()
    first = content.find(b"\n") + 1 if start > 0 else 0
    lines = content[first : content.rfind(b"\n") + 1]
    try:
        rows = decode_all(lines, Caption, are_sealed=True)
    except DamagedLineError:
        rows = []
    return rows, max(start, begin + first + len(lines))
