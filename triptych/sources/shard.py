"""Shards: the unit of work, and the interface that every kind of source implements (see source_kinds).

Not its job: names (see file_names), what is in a file (see image_format).
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
    """An archive that was found."""

    name: str
    """Its key without the suffix, which the keys of its images begin with."""
    key: str
    path: str
    config: InputConfig
    unpack_to: Path
    """Folder for the unpacked content of archives without random access."""
    size_and_time: SizeAndTime

    @property
    def member_filter(self) -> PathFilter:
        """Which of its members are read."""
        return PathFilter(self.config.include, self.config.exclude).of_members(self.key)


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a shard: its key, and its bytes or why they can't be read."""

    key: str
    content: bytes = b""
    offset_bytes: int | None = None
    modified_ns: int = 0
    """Of a loose file: its time of change."""
    unreadable: str | None = None


class Shard(Protocol):
    """A bounded number of files that are worked on, resumed and distributed together."""

    @property
    def name(self) -> str:
        """Unique in a run; the shard's files in the run folder are named after it."""

    @property
    def archive_key(self) -> str | None:
        """The key of a record on the archive, or the shard's part of it, as a whole. Records on a place in it
        append ``#`` and the place. None for loose files."""

    @property
    def file_count(self) -> int | None:
        """Number of files; None if only reading all of it would tell (see Peekable)."""

    def fingerprint(self) -> str:
        """One line that changes when files are added, removed or changed. An archive's ends with a tab and
        its time of change, which may change alone."""

    def files(self) -> Iterator[FoundFile]:
        """Every file: of an archive in its order, of loose files in key order."""

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one image found before. Raises OSError if it is gone. Thread-safe."""


@runtime_checkable
class Peekable(Shard, Protocol):
    """A shard whose number of files can be estimated from its beginning."""

    @property
    def size_bytes(self) -> int | None:
        """Size of the archive."""

    def peek(self, max_members: int) -> tuple[int, int]:
        """How many of the first ``max_members`` members are files that would be listed, and where in the
        archive these members end: ``size_bytes`` if there are no more. (0, 0) if it is damaged."""


@runtime_checkable
class HasCopy(Shard, Protocol):
    """A shard whose images are read from an unpacked copy."""

    def remove_changed_copy(self) -> None:
        """Remove the copy if its bytes are not those that were written, so that the next read unpacks it
        again. Thread-safe."""


class UnreadableArchive:
    """An archive that can't be opened: a shard with one record.

    Its name has the suffix, as another archive with the same stem may hold images.
    """

    file_count = 1

    def __init__(self, archive: Archive, reason: str) -> None:
        self.name = self.archive_key = archive.key
        self._reason = reason
        self._path = archive.path
        self._size_bytes, self._modified_ns = archive.size_and_time

    def fingerprint(self) -> str:
        return f"{self.archive_key}\tdamaged\t{self._size_bytes}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        yield FoundFile(key=self.archive_key, unreadable=self._reason)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(f"{self._path} could not be opened when its images were listed")


SAMPLED_SHARDS = 8
"""Spread evenly over the shards without a count."""

SAMPLED_MEMBERS = 256
"""In each of them: 2,048 headers in all, which take milliseconds on a local disk."""

MAX_PEEKED_MEMBERS = 100_000
"""How many members of an archive are searched for an image, if another archive or a folder has its name."""


class CountEstimate(NamedTuple):
    """A number of files; ``is_estimate`` if not every archive without a count was read to its end."""

    files: int
    is_estimate: bool


def estimate_count(shards: Sequence[Shard]) -> CountEstimate | None:
    """How many files ``shards`` will list; None if no archive without a count could be read."""
    known = sum(shard.file_count or 0 for shard in shards)
    uncounted = [shard for shard in shards if shard.file_count is None and isinstance(shard, Peekable)]
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
    """Whether none of an archive's members can be an image. Checks up to MAX_PEEKED_MEMBERS."""
    for shard in shards:
        if not isinstance(shard, Peekable):
            return False
        files, end = shard.peek(SAMPLED_MEMBERS)
        if not files and end != shard.size_bytes:  # it may be an archive of annotations: check more
            files, end = shard.peek(MAX_PEEKED_MEMBERS)
        if files or end != shard.size_bytes:
            return False
    return True
