"""Loose files as shards.

Comes in: keys, each with the root that it is a path below. Goes out: up to FILES_PER_SHARD files together.
Not its job: finding them (see listing).
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence

from corpus.found import FoundFile, why_not_an_image

FILES_PER_SHARD = 4096


class FolderShard:
    """Up to FILES_PER_SHARD files that lie in folders. Of eleven million, two words a file are held."""

    size_bytes = None

    def __init__(
        self, name: str, keys: Sequence[str], roots: Sequence[str], unreadable: Mapping[str, str]
    ) -> None:
        """``keys`` are sorted; ``roots`` has one for each. ``unreadable`` has the keys that are no files."""
        self.name = name
        self._keys, self._roots = keys, roots
        self._unreadable = unreadable
        self.file_count = len(keys)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for key, root in zip(self._keys, self._roots, strict=True):
            size = None if key in self._unreadable else size_of(f"{root}/{key}")
            digest.update(f"{key}\t{size}\n".encode())
        return f"{self.file_count} files {digest.hexdigest()}"

    def files(self) -> Iterator[FoundFile]:
        for key, root in zip(self._keys, self._roots, strict=True):
            reason = self._unreadable.get(key) or why_not_an_image(key)
            if reason is not None:
                yield FoundFile(key=key, unreadable=reason)
                continue
            try:
                yield FoundFile(key=key, content=_content_of(f"{root}/{key}"))
            except OSError as error:
                yield FoundFile(key=key, unreadable=f"read error: {error.strerror}")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        at = bisect.bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key or key in self._unreadable:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return _content_of(f"{self._roots[at]}/{key}")


def _content_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def size_of(path: str) -> int | None:
    """In bytes; None for a link to nothing and for a file that has just gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None
