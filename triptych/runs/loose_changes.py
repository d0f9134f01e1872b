"""Loose files beside the records that a run has of them; how those without a record are cut into shards.

Comes in: a run folder, all loose files as they are now. Goes out: edits of records, shards to embed. A file
is known by its key, size and time of change; where the time alone differs, by its bytes: so a copy of a
folder is read once, and nothing of it is embedded again. Not its job: archives (see source_changes).

A shard keeps the files that it was embedded with. Files without a record make new shards, or are added to one
that isn't embedded yet, which has a stretch of keys: so a run that was killed goes on with the same shards.
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


class LooseChanges:
    """All of it. In memory: a byte a file, and the edits."""

    def __init__(self, run: RunFolder, loose: LooseFiles) -> None:
        self.edits: dict[str, Edits] = {}
        """By shard."""
        self.gone: list[str] = []
        """Keys of images that aren't there any more, newly found."""
        self.changed: list[str] = []
        """Keys of files with other bytes than their record says."""
        self.images = self.still_there = 0
        """Those that the run has, and of them those whose key is there."""
        self._loose = loose
        self._taken = bytearray(len(loose.keys))
        """By place among the keys: 1 where the file has a record."""
        self._next = 0
        loose_shards = [name for name in run.shards() if is_loose_name(name)]
        self.embedded = {name: ("", "") for name in loose_shards if run.is_embedded(name)}
        """The first and the last key of each shard."""
        for name in self.embedded:
            self._compare(name, run.images(name))

    def _compare(self, name: str, records: Iterator[ImageRecord]) -> None:
        edits: Edits = {}
        for place, record in enumerate(records):
            self.embedded[name] = self.embedded[name][0] or record.key, record.key
            now = self._now(record)
            if now is not record:
                edits[place] = now
        if edits:
            self.edits[name] = edits

    def _now(self, record: ImageRecord) -> ImageRecord | None:
        """What ``record`` is to say, which it may say already; None: it is to go."""
        at = self._place_of(record.key)
        self.images += record.is_embedded
        if at is None:
            if _never_was_an_image(record):  # these come and go, and change nothing
                return record
            gone = as_gone(record)
            if gone is not record:
                self.gone.append(record.key)
            return gone
        self.still_there += record.is_embedded
        same = None if self._taken[at] else self._if_same(at, record)
        if same is None:
            is_other = record.content_hash and not has_decoder_now(record.unreadable or "")
            if not record.is_gone and is_other:
                self.changed.append(record.key)
            return as_replaced(record)
        self._taken[at] = 1
        return as_back(same)

    def _place_of(self, key: str) -> int | None:
        """Records mostly come in the order of the keys."""
        keys = self._loose.keys
        at = self._next
        if at >= len(keys) or keys[at] != key:
            at = bisect.bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            return None
        self._next = at + 1
        return at

    def _if_same(self, at: int, record: ImageRecord) -> ImageRecord | None:
        """``record``, with the file's time, if it is of this very file."""
        reason = self._loose.why_not(record.key)
        if reason is not None:
            return record if _never_was_an_image(record) or record.unreadable == reason else None
        if record.unreadable and self._can_be_read_now(at, record.unreadable):
            return None
        size_bytes, modified_ns = self._loose.size_and_time(at)
        if record.content_hash and record.size_bytes != size_bytes:
            return None
        if record.modified_ns == modified_ns:
            return record
        if not record.content_hash or _hash_of(self._loose.path(at)) != record.content_hash:
            return None
        return msgspec.structs.replace(record, modified_ns=modified_ns)

    def _can_be_read_now(self, at: int, why_not: str) -> bool:
        is_there = why_not.startswith(READ_ERROR) and bool(_hash_of(self._loose.path(at)))
        return is_there or has_decoder_now(why_not)

    def shards(self, run: RunFolder, noted: Sequence[ListedShard], batch: int) -> list[ListedLoose]:
        """What is to be embedded: noted shards that aren't yet, and new ones."""
        waiting = [each for each in noted if each.archive_key is None and not run.is_embedded(each.name)]
        cut = [found for each in waiting if (found := self._of_stretch(each)) is not None]
        if not any(self._taken):  # the whole list needn't be copied
            rest = self._loose
        else:
            rest = self._loose.part(at for at, taken in enumerate(self._taken) if not taken)
        if noted and not self.changed and all(rest.why_not(key) is not None for key in rest.keys):
            return cut  # files that are no images are listed when images are
        names = {each.name for each in noted if each.archive_key is None}.union(self.embedded)
        numbers = [int(name.removeprefix(LOOSE_PREFIX)) for name in names]
        new = rest.shards(max(numbers, default=-1) + 1)
        return cut + [(_listed(shard, batch), shard) for shard in new]

    def _of_stretch(self, noted: ListedShard) -> ListedLoose | None:
        """The files of a shard that was noted: those without a record in its stretch, if they aren't many."""
        keys = self._loose.keys
        stretch = range(bisect.bisect_left(keys, noted.first_key), bisect.bisect_right(keys, noted.last_key))
        places = [at for at in stretch if not self._taken[at]]
        can_be_images = sum(self._loose.why_not(keys[at]) is None for at in places)
        if can_be_images > 2 * FILES_PER_SHARD:
            places = places[: 2 * FILES_PER_SHARD]
        for at in places:
            self._taken[at] = 1
        if not places:
            return None
        part = self._loose.part(places)
        return noted, LooseShard(noted.name, part, 0, len(part.keys))


def _never_was_an_image(record: ImageRecord) -> bool:
    reason = record.unreadable or ""
    return not record.content_hash and not record.is_gone and not reason.startswith(READ_ERROR)


ListedLoose = tuple[ListedShard, LooseShard]


def _listed(shard: LooseShard, batch: int) -> ListedShard:
    return ListedShard(
        name=shard.name,
        archive_key=None,
        fingerprint="",
        first_key=shard.keys[0],
        last_key=shard.keys[-1],
        batch=batch,
    )


def _hash_of(path: str) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(
                cast(io.BufferedReader, file), partial(hashlib.blake2b, digest_size=16)
            ).hexdigest()
    except (OSError, UnreachableError):
        return ""
