"""Loose files as shards.

Comes in: keys, each with its root folder. Goes out: shards of up to FILES_PER_SHARD images, and of the other
files between them. Not its job: finding files (see listing).
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

from triptych.sources.file_names import stems_of
from triptych.sources.prefetching import prefetch_map
from triptych.sources.regular_files import (
    MAX_TEXT_FILE_BYTES,
    SizeAndTime,
    read_regular,
    size_and_time_of,
    why_not_read,
)
from triptych.sources.remote_storage import UnreachableError, is_url, is_web
from triptych.sources.shard import FoundFile

FILES_PER_SHARD = 4096

LOOSE_PREFIX = "files-"
"""Prefix of the names of shards of loose files; their number follows."""

_LOOSE_NAME = re.compile(rf"{LOOSE_PREFIX}[0-9]{{5,}}")


def is_loose_name(name: str) -> bool:
    """Whether a shard of this name has loose files. No archive may have such a name."""
    return _LOOSE_NAME.fullmatch(name) is not None


class LooseFiles:
    """All loose files of a run, by key. As there may be millions, each takes two words besides its key."""

    def __init__(
        self,
        roots: Mapping[str, str],
        unreadable: Mapping[str, str],
        listed: Mapping[str, SizeAndTime] | None = None,
    ) -> None:
        """``roots`` has each key's root, ``unreadable`` why some of them are not images, and ``listed`` size
        and time of those in object storage, where asking for each would cost a request."""
        self.keys = sorted(roots)
        self._roots = [roots[key] for key in self.keys]
        self._unreadable = unreadable
        self._listed = listed or {}

    def shards(self, number: int = 0) -> Iterator[LooseShard]:
        """Shards in key order, numbered from ``number``. Only images count towards FILES_PER_SHARD."""
        start = images = 0
        for at, key in enumerate(self.keys):
            if key in self._unreadable:
                continue
            if images == FILES_PER_SHARD:
                yield LooseShard(f"{LOOSE_PREFIX}{number:05d}", self, start, at)
                start, images, number = at, 0, number + 1
            images += 1
        if self.keys:
            yield LooseShard(f"{LOOSE_PREFIX}{number:05d}", self, start, len(self.keys))

    @cached_property
    def images(self) -> list[str]:
        """The sorted keys of the files that can be images."""
        return [key for key in self.keys if key not in self._unreadable] if self._unreadable else self.keys

    @property
    def reasons(self) -> Iterator[str]:
        """Why the other files are not images."""
        return iter(self._unreadable.values())

    def subset(self, indices: Iterable[int]) -> LooseFiles:
        """The files at these indices of ``keys``."""
        roots = {self.keys[at]: self._roots[at] for at in indices}
        unreadable = {key: self._unreadable[key] for key in roots if key in self._unreadable}
        return LooseFiles(roots, unreadable, {k: self._listed[k] for k in roots if k in self._listed})

    def path(self, at: int) -> str:
        return f"{self._roots[at]}/{self.keys[at]}"

    def size_and_time(self, at: int) -> SizeAndTime:
        """As listed, else as it is now."""
        return self._listed.get(self.keys[at]) or size_and_time_of(self.path(at))

    def path_of(self, key: str) -> str:
        """Path or URL of an image. Raises OSError if there is no image of this key."""
        at = bisect.bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key or key in self._unreadable:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return self.path(at)

    def why_not(self, key: str) -> str | None:
        """Why the file of ``key`` is not an image, as far as is known without reading it."""
        return self._unreadable.get(key)


class LooseShard:
    """The loose files from ``start`` to ``end``.

    ``read`` takes the key of any loose file: after files were removed, others may be in other shards.
    """

    archive_key = None

    def __init__(self, name: str, files: LooseFiles, start: int, end: int) -> None:
        self.name = name
        self.loose = files
        self._range = range(start, end)
        self.file_count = end - start
        self._fingerprint = ""

    def __reduce__(self) -> tuple[object, ...]:
        """Only the shard's own files are sent to another process."""
        return LooseShard, (self.name, self.loose.subset(self._range), 0, len(self._range))

    def fingerprint(self) -> str:
        """Of the files that can be images, computed once, with a stat for each file."""
        if not self._fingerprint:
            digest, images = hashlib.sha256(), 0
            for at, key in zip(self._range, self.keys, strict=True):
                if self.loose.why_not(key) is None:
                    digest.update(f"{key}\t{self.loose.size_and_time(at)[0]}\n".encode())
                    images += 1
            self._fingerprint = f"{images} files\t{digest.hexdigest()}"
        return self._fingerprint

    @property
    def keys(self) -> Sequence[str]:
        """The sorted keys of its files."""
        return self.loose.keys[self._range.start : self._range.stop]

    def files(self) -> Iterator[FoundFile]:
        return prefetch_map(self._file, self._range, is_slow=self._is_remote)

    @property
    def _is_remote(self) -> bool:
        return any(is_url(self.loose.path(at)) for at in self._range)

    def _file(self, at: int) -> FoundFile:
        key, path = self.loose.keys[at], self.loose.path(at)
        reason = self.loose.why_not(key)
        if reason is not None:
            return FoundFile(key=key, unreadable=reason)
        modified_ns = 0
        try:
            # Taken before reading, so that a change meanwhile is noticed by the next run.
            size_bytes, modified_ns = self.loose.size_and_time(at)
            return FoundFile(key=key, content=read_regular(path, size_bytes), modified_ns=modified_ns)
        except (OSError, MemoryError) as error:
            return FoundFile(key=key, modified_ns=modified_ns, unreadable=why_not_read(error))
        except UnreachableError as error:
            if not is_web(path):
                raise
            return FoundFile(key=key, modified_ns=modified_ns, unreadable=f"read error: {error}")

    def sidecars(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """See texts.HasSidecars."""
        contents = prefetch_map(lambda at: self._sidecar(at, suffix), self._range, is_slow=self._is_remote)
        for at, content in zip(self._range, contents, strict=True):
            if content is not None:
                yield self.loose.keys[at], content

    def _sidecar(self, at: int, suffix: str) -> bytes | None:
        path = self.loose.path(at)
        suffixes = (suffix,) if is_url(path) else (suffix, suffix.upper())  # for a URL each is a request
        for stem, ending in product(stems_of(path), suffixes):
            with contextlib.suppress(OSError, MemoryError):
                size_bytes, _ = size_and_time_of(f"{stem}{ending}")
                if size_bytes is not None and size_bytes <= MAX_TEXT_FILE_BYTES:
                    return read_regular(f"{stem}{ending}", size_bytes)
        return None

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        return read_regular(self.loose.path_of(key), size_bytes)
