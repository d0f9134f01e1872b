"""Shards, which every kind of source is cut into, and the files that they list and read again.

The kinds of sources implement the protocol (see source_kinds). Not its job: names (see file_names), what is
in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from triptych.sources.config import InputConfig
from triptych.sources.file_names import PathFilter
from triptych.sources.regular_files import SizeAndTime


class Archive(NamedTuple):
    """One that was found."""

    name: str
    """Its key without the suffix: what the keys of its images begin with."""
    key: str
    path: str
    config: InputConfig
    unpack_to: Path
    """Where what can't be read one by one is unpacked to."""
    size_and_time: SizeAndTime

    @property
    def chosen(self) -> PathFilter:
        """Which of its members are read."""
        return PathFilter(self.config.include, self.config.exclude).of_members(self.key)


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a shard: its key, and its bytes or why they can't be had."""

    key: str
    content: bytes = b""
    offset_bytes: int | None = None
    modified_ns: int = 0
    """Of a loose file: when it was last changed."""
    unreadable: str | None = None


class Shard(Protocol):
    """A bounded number of files that are worked on, resumed and distributed together."""

    @property
    def name(self) -> str:
        """Unique in a run; what the shard's files in the run folder are called."""

    @property
    def archive_key(self) -> str | None:
        """The key of the record that stands for all of the archive, or what the shard has of it. Records of
        stretches have ``#`` and a place behind it. None: loose files."""

    @property
    def file_count(self) -> int | None:
        """How many files it holds; None where only a walk through it would show (see Uncounted)."""

    def fingerprint(self) -> str:
        """One line that changes when files were added, removed or changed. Of an archive the last part,
        after a tab, is when it was changed: with another one it may hold the same."""

    def files(self) -> Iterator[FoundFile]:
        """Every file, in key order of loose files, else in the order of the archive."""

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one image found before. Raises OSError if it is gone. For any number of threads."""


@runtime_checkable
class Uncounted(Shard, Protocol):
    """A shard whose files can be estimated: by how many are at its beginning, and its size."""

    @property
    def size_bytes(self) -> int | None:
        """Of the archive."""

    def peek(self, most_members: int) -> tuple[int, int]:
        """How many files the first ``most_members`` members are, and up to which byte of the archive they
        reach: ``size_bytes`` where they are all. 0, 0 where it is damaged."""


class UnreadableArchive:
    """An archive that can't be opened: one record. Its shard is called by the whole name of the file, as an
    archive of the same stem may hold the images that it describes."""

    file_count = 1

    def __init__(self, archive: Archive, reason: str) -> None:
        self.name = self.archive_key = archive.key
        self.reason = reason
        self._path = archive.path
        self._size_bytes, self._modified_ns = archive.size_and_time

    def fingerprint(self) -> str:
        return f"{self.archive_key}\tdamaged\t{self._size_bytes}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        yield FoundFile(key=self.archive_key, unreadable=self.reason)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(f"{self._path} could not be opened when its images were listed")


SAMPLED_SHARDS = 8
"""Spread over all that don't know their count."""

SAMPLED_MEMBERS = 256
"""Of each. On 1,000 tars of SA-1B's form that is 2,048 headers, some milliseconds on a local disk."""

MOST_PEEKED = 100_000
"""Members of an archive that are looked at for an image, where another archive or a folder has its name."""


class CountEstimate(NamedTuple):
    """``is_estimate``: some shards don't know their count, and not every sampled one was read to its end."""

    files: int
    is_estimate: bool


def estimate_count(shards: Sequence[Shard]) -> CountEstimate | None:
    """The files of ``shards`` that will be listed; None where no uncounted one could be looked into."""
    known = sum(shard.file_count or 0 for shard in shards)
    uncounted = [shard for shard in shards if shard.file_count is None and isinstance(shard, Uncounted)]
    if not uncounted:
        return CountEstimate(known, False)
    count = min(SAMPLED_SHARDS, len(uncounted))
    sampled = [uncounted[len(uncounted) * n // count] for n in range(count)]
    peeks = [shard.peek(SAMPLED_MEMBERS) for shard in sampled]
    seen_files, seen_bytes = (sum(column) for column in zip(*peeks, strict=True))
    if not seen_bytes:
        return None
    all_bytes = sum(shard.size_bytes or 0 for shard in uncounted)
    return CountEstimate(known + round(seen_files * all_bytes / seen_bytes), seen_bytes < all_bytes)


def hold_no_images(shards: Sequence[Shard]) -> bool:
    """Whether no member of an archive can be an image, as a look at up to MOST_PEEKED shows."""
    for shard in shards:
        if not isinstance(shard, Uncounted):
            return False
        files, end = shard.peek(SAMPLED_MEMBERS)
        if not files and end != shard.size_bytes:  # annotations may have as many members as there are images
            files, end = shard.peek(MOST_PEEKED)
        if files or end != shard.size_bytes:
            return False
    return True
