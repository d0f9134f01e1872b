"""Which archives were damaged or lost, in one line each.

Comes in: the records of a run, one by one. Goes out: lines for a person. Not its job: single images; they
are counted by the class of their reason (see runs.ledger).
"""

from __future__ import annotations

from collections.abc import Iterator

from triptych.records import ImageRecord
from triptych.sources.source_kinds import ARCHIVE_SUFFIXES

MOST_LINES = 20
"""More are counted, not listed."""


class ArchiveDamage:
    """Collects the records that stand for an archive or a stretch of one."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def look_at(self, record: ImageRecord) -> None:
        reason = record.unreadable
        if reason is None or reason.startswith("not an image"):
            return
        if record.key.partition("#")[0].endswith(ARCHIVE_SUFFIXES):
            self._count += 1
            if len(self._lines) < MOST_LINES:
                self._lines.append(" ".join(f"{record.key}: {reason}".split()))

    def lines(self) -> Iterator[str]:
        """One an archive; at the end how many more there are."""
        yield from self._lines
        if self._count > len(self._lines):
            yield f"{self._count - len(self._lines):,} more damaged archives; images/*.jsonl has each reason"
