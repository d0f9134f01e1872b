"""Shards: what every kind of source is cut into; they list their files and read them again.

Comes in: nothing; the kinds of sources implement it (see source_kinds). Goes out: the protocol. Not its job:
reading anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from triptych.sources.file_kinds import FoundFile, size_of


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
        """One line that changes when files were added, removed or resized."""

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
    """An archive that can't be opened or holds no images: one record."""

    file_count = 1

    def __init__(self, name: str, path: str, suffix: str, reason: str) -> None:
        self.name = name
        self.archive_key = f"{name}{suffix}"
        self.reason = reason
        self._path = path
        self._size_bytes = size_of(path)

    def fingerprint(self) -> str:
        return f"{self.archive_key}\tdamaged\t{self._size_bytes}"

    def files(self) -> Iterator[FoundFile]:
        yield FoundFile(key=self.archive_key, unreadable=self.reason)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(f"{self._path} could not be opened when its images were listed")
