"""Loose files as shards.

Comes in: keys, each with the root that it is a path below. Goes out: up to FILES_PER_SHARD files together.
Not its job: finding them (see listing).
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import os
from collections.abc import Iterator, Mapping

from triptych.sources.shard import FoundFile, size_of, why_not_an_image

FILES_PER_SHARD = 4096

LOOSE_PREFIX = "files-"
"""What the names of shards of loose files begin with."""


class LooseFiles:
    """All loose files of a run, by key: of eleven million, two words a file besides its key are held."""

    def __init__(self, roots: Mapping[str, str], unreadable: Mapping[str, str]) -> None:
        """``roots`` has each key's root; ``unreadable`` those keys that are no files after all."""
        self.keys = sorted(roots)
        self._roots = [roots[key] for key in self.keys]
        self._unreadable = unreadable

    def shards(self) -> Iterator[LooseShard]:
        """In key order, FILES_PER_SHARD files at a time."""
        for number, start in enumerate(range(0, len(self.keys), FILES_PER_SHARD)):
            end = min(start + FILES_PER_SHARD, len(self.keys))
            yield LooseShard(f"{LOOSE_PREFIX}{number:05d}", self, start, end)

    def part(self, start: int, end: int) -> LooseFiles:
        """The files from ``start`` to ``end`` by themselves."""
        roots = dict(zip(self.keys[start:end], self._roots[start:end], strict=True))
        return LooseFiles(roots, {key: self._unreadable[key] for key in roots if key in self._unreadable})

    def path(self, at: int) -> str:
        return f"{self._roots[at]}/{self.keys[at]}"

    def why_not(self, key: str) -> str | None:
        """Why the file of ``key`` is no image, as far as can be told without opening it."""
        return self._unreadable.get(key) or why_not_an_image(key)

    def read(self, key: str) -> bytes:
        """Raises OSError where there is no such file, or none any more."""
        at = bisect.bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key or key in self._unreadable:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return _content_of(self.path(at))


class LooseShard:
    """The loose files from ``start`` to ``end``. It reads any loose file again: when some have gone, those
    behind them are in other shards than before."""

    archive_key = None

    def __init__(self, name: str, files: LooseFiles, start: int, end: int) -> None:
        self.name = name
        self.loose = files
        self._range = range(start, end)
        self.file_count = end - start
        self._fingerprint = ""

    def __reduce__(self) -> tuple[object, ...]:
        """To another process goes the shard's own part of the list."""
        own = self.loose.part(self._range.start, self._range.stop)
        return LooseShard, (self.name, own, 0, len(self._range))

    def fingerprint(self) -> str:
        """As it was when it was first asked for. It costs one stat a file."""
        if not self._fingerprint:
            digest = hashlib.sha256()
            for at in self._range:
                digest.update(f"{self.loose.keys[at]}\t{size_of(self.loose.path(at))}\n".encode())
            self._fingerprint = f"{self.file_count} files\t{digest.hexdigest()}"
        return self._fingerprint

    def keep_fingerprint(self, fingerprint: str) -> None:
        """Count as the shard that had this fingerprint, though some of its files have gone."""
        self._fingerprint = fingerprint

    def files(self) -> Iterator[FoundFile]:
        for at in self._range:
            key = self.loose.keys[at]
            reason = self.loose.why_not(key)
            if reason is not None:
                yield FoundFile(key=key, unreadable=reason)
                continue
            try:
                yield FoundFile(key=key, content=_content_of(self.loose.path(at)))
            except OSError as error:
                yield FoundFile(key=key, unreadable=f"read error: {error.strerror}")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        return self.loose.read(key)


def _content_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
