"""Edits of a shard's image records after its sources have changed.

Comes in: records. Goes out: their replacements, and the rewritten file. Not its job: finding out what has
changed (see source_changes, loose_changes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from triptych.records import GONE, REPLACED, ImageRecord
from triptych.runs.checkpoints import forget_shard
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

Edits = dict[int, ImageRecord | None]
"""Replacements of a shard's records, by their index in its file; None: the record is removed."""

_WAS = "; it was "


def as_gone(record: ImageRecord) -> ImageRecord:
    """The record of a file that no longer exists."""
    if record.is_gone:
        return record
    was = "" if record.unreadable is None else f"{_WAS}{record.unreadable}"
    return msgspec.structs.replace(record, unreadable=GONE + was)


def as_replaced(record: ImageRecord) -> ImageRecord | None:
    """The record of a file with new bytes. An image's record stays with its embedding, others are removed."""
    if not record.is_embedded:
        return None
    return record if record.unreadable == REPLACED else msgspec.structs.replace(record, unreadable=REPLACED)


def as_back(record: ImageRecord) -> ImageRecord:
    """The record of a file that exists (again)."""
    if not record.is_gone or record.unreadable is None:
        return record
    was = record.unreadable.removeprefix(REPLACED).removeprefix(GONE).removeprefix(_WAS)
    return msgspec.structs.replace(record, unreadable=was or None)


def edits_of(run: RunFolder, shard: str, change: Callable[[ImageRecord], ImageRecord | None]) -> Edits:
    """The edits that ``change`` makes to the records of ``shard``."""
    changed = ((place, record, change(record)) for place, record in enumerate(run.images(shard)))
    return {place: now for place, record, now in changed if now is not record}


def write_edited(run: RunFolder, shard: str, edits: Edits) -> None:
    """Rewrite the records of ``shard`` with ``edits`` applied."""

    def edited() -> Iterator[ImageRecord]:
        for place, record in enumerate(run.images(shard)):
            now = edits.get(place, record)
            if now is not None:
                yield now

    forget_shard(run, shard)
    write_jsonl(run.images_file(shard), edited())
