"""Records of a shard that say something else from now on.

Comes in: records. Goes out: what takes their place, and the file with that. Not its job: why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from triptych.records import GONE, REPLACED, ImageRecord
from triptych.runs.checkpoints import forget_shard
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

Edits = dict[int, ImageRecord | None]
"""What takes the place of a shard's records, by their place in its file; None: nothing."""


_WAS = "; it was "


def as_gone(record: ImageRecord) -> ImageRecord:
    """Of a file that isn't there any more."""
    if record.is_gone:
        return record
    was = "" if record.unreadable is None else f"{_WAS}{record.unreadable}"
    return msgspec.structs.replace(record, unreadable=GONE + was)


def as_replaced(record: ImageRecord) -> ImageRecord | None:
    """Of a file that holds other bytes now: of an image the embedding stays, others are left out."""
    if not record.is_embedded:
        return None
    return record if record.unreadable == REPLACED else msgspec.structs.replace(record, unreadable=REPLACED)


def as_back(record: ImageRecord) -> ImageRecord:
    """Of a file that is there."""
    if not record.is_gone or record.unreadable is None:
        return record
    was = record.unreadable.removeprefix(REPLACED).removeprefix(GONE).removeprefix(_WAS)
    return msgspec.structs.replace(record, unreadable=was or None)


def edits_of(run: RunFolder, shard: str, change: Callable[[ImageRecord], ImageRecord | None]) -> Edits:
    """Those that ``change`` makes."""
    changed = ((place, record, change(record)) for place, record in enumerate(run.images(shard)))
    return {place: now for place, record, now in changed if now is not record}


def write_edited(run: RunFolder, shard: str, edits: Edits) -> None:
    """Write the records of ``shard`` anew."""

    def edited() -> Iterator[ImageRecord]:
        for place, record in enumerate(run.images(shard)):
            now = edits.get(place, record)
            if now is not None:
                yield now

    forget_shard(run, shard)
    write_jsonl(run.images_file(shard), edited())
