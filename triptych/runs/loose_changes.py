"""Compares loose files with a run's records of them, and cuts files without a record into shards.

Comes in: a run folder, all current loose files. Goes out: edits of records, shards to embed. A file is
recognised by its key, size and modification time, or by its bytes if only the time differs: so a copied
folder is read once, and nothing of it is embedded again. Not its job: archives (see source_changes).

A shard keeps the files that it was embedded with. Files without a record join a shard that isn't embedded
yet, if they are in its range of keys, or make new shards: so an interrupted run continues with the same
shards.
"""

from __future__ import annotations

import bisect
import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import msgspec

from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.missing_sources import ListedShard
from triptych.runs.record_edits import Edits, as_back, as_gone, as_replaced
from triptych.sources.image_format import has_decoder_now
from triptych.sources.loose_files import FILES_PER_SHARD, LOOSE_PREFIX, LooseFiles, LooseShard, is_loose_name
from triptych.sources.regular_files import READ_ERROR, open_regular
from triptych.sources.remote_storage import UnreachableError

ListedLoose = tuple[ListedShard, LooseShard]


class LooseChanges:
    """The changes of all loose files. Keeps one byte per file, and the edits."""

    def __init__(self, run: RunFolder, loose: LooseFiles) -> None:
        self.edits: dict[str, Edits] = {}
        """By shard."""
        self.gone: list[str] = []
        """Keys of images that have gone since the last run."""
        self.changed: list[str] = []
        """Keys of files whose bytes differ from their record."""
        self.images = self.still_there = 0
        """How many images the run has, and how many of their keys still exist."""
        self._loose = loose
        self._taken = bytearray(len(loose.keys))
        """For each key, whether its file has a record or a shard: 1 or 0."""
        self._next = 0
        loose_shards = [name for name in run.shards() if is_loose_name(name)]
        self.embedded = {name: ("", "") for name in loose_shards if run.is_embedded(name)}
        """The first and the last key of each shard."""
        self.lost = [name for name in loose_shards if name not in self.embedded]
        """Shards with records whose embeddings have been removed."""
        for name in self.embedded:
            self._compare(name, run.images(name))

    def _compare(self, name: str, records: Iterator[ImageRecord]) -> None:
        edits: Edits = {}
        for place, record in enumerate(records):
            self.embedded[name] = self.embedded[name][0] or record.key, record.key
            now = self._updated(record)
            if now is not record:
                edits[place] = now
        if edits:
            self.edits[name] = edits

    def _updated(self, record: ImageRecord) -> ImageRecord | None:
        """The record of the file as it is now, which may be ``record`` itself; None: to be removed."""
        at = self._place_of(record.key)
        self.images += record.is_embedded
        if at is None:
            if _never_was_an_image(record):  # such files come and go without effect
                return record
            gone = as_gone(record)
            if gone is not record:
                self.gone.append(record.key)
            return gone
        self.still_there += record.is_embedded
        same = None if self._taken[at] else self._if_same(at, record)
        if same is None:
            has_changed = record.content_hash and not has_decoder_now(record.unreadable or "")
            if has_changed and not record.is_gone:
                self.changed.append(record.key)
            return as_replaced(record)
        self._taken[at] = 1
        return as_back(same)

    def _place_of(self, key: str) -> int | None:
        """The index of ``key``. Records are mostly in key order, so the next index is tried first."""
        keys = self._loose.keys
        at = self._next
        if at >= len(keys) or keys[at] != key:
            at = bisect.bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            return None
        self._next = at + 1
        return at

    def _if_same(self, at: int, record: ImageRecord) -> ImageRecord | None:
        """``record`` with the file's current time, if the file is unchanged; else None."""
        reason = self._loose.why_not(record.key)
        if reason is not None:
            return record if _never_was_an_image(record) or record.unreadable == reason else None
        if record.unreadable:
            could_not_be_read = record.unreadable.startswith(READ_ERROR)
            if has_decoder_now(record.unreadable) or (could_not_be_read and _hash_of(self._loose.path(at))):
                return None
        size_bytes, modified_ns = self._loose.size_and_time(at)
        if record.content_hash and record.size_bytes != size_bytes:
            return None
        if record.modified_ns == modified_ns:
            return record
        if not record.content_hash or _hash_of(self._loose.path(at)) != record.content_hash:
            return None
        return msgspec.structs.replace(record, modified_ns=modified_ns)

    def shards(self, run: RunFolder, noted: Sequence[ListedShard], batch: int) -> list[ListedLoose]:
        """The shards to embed: listed ones that aren't embedded yet, and new ones."""
        waiting = [each for each in noted if each.archive_key is None and not run.is_embedded(each.name)]
        cut = [found for each in waiting if (found := self._in_key_range(each)) is not None]
        rest = self._loose
        if any(self._taken):  # else the whole list needn't be copied
            rest = rest.subset(at for at, taken in enumerate(self._taken) if not taken)
        if noted and not self.changed and all(rest.why_not(key) is not None for key in rest.keys):
            return cut  # files that aren't images are listed only together with new images
        names = {each.name for each in noted if each.archive_key is None}.union(self.embedded)
        numbers = [int(name.removeprefix(LOOSE_PREFIX)) for name in names]
        new = rest.shards(max(numbers, default=-1) + 1)
        for shard in new:
            first, last = shard.keys[0], shard.keys[-1]
            cut.append((ListedShard(shard.name, None, "", first, last, batch), shard))
        return cut

    def _in_key_range(self, noted: ListedShard) -> ListedLoose | None:
        """The listed shard, with the files of its range of keys that have no record; None: no files."""
        keys = self._loose.keys
        found = range(bisect.bisect_left(keys, noted.first_key), bisect.bisect_right(keys, noted.last_key))
        places = [at for at in found if not self._taken[at]]
        can_be_images = sum(self._loose.why_not(keys[at]) is None for at in places)
        if can_be_images > 2 * FILES_PER_SHARD:
            places = places[: 2 * FILES_PER_SHARD]
        for at in places:
            self._taken[at] = 1
        if not places:
            return None
        part = self._loose.subset(places)
        return noted, LooseShard(noted.name, part, 0, len(part.keys))


def _never_was_an_image(record: ImageRecord) -> bool:
    reason = record.unreadable or ""
    return not record.content_hash and not record.is_gone and not reason.startswith(READ_ERROR)


def _hash_of(path: str) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(
                cast(io.BufferedReader, file), partial(hashlib.blake2b, digest_size=16)
            ).hexdigest()
    except (OSError, UnreachableError):
        return ""
