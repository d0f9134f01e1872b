"""A local disk cache of images, as several jobs read the same ones.

Comes in: the digest of an image's bytes, and a function that fetches it. Goes out: its bytes. All runs of a
user share one folder of limited size; the least recently used images are removed first. Not its job:
fetching.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from triptych.errors import UsageError
from triptych.records import content_hash

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

KEPT_SHARE = 0.9
"""How full the cache is after old images were removed, so that this is rare."""


def size_in_bytes(text: str) -> int:
    """Bytes of a text such as ``500MB`` or ``1.5 TB``. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]B)?\s*", text, re.IGNORECASE)
    if found is None:
        key = "input.image_cache"
        raise UsageError(f"{key} is {text!r}; expected a size such as 500MB or 1.5TB", key=key)
    return int(float(found[1]) * UNITS[(found[2] or "").upper()])


def opened_cache(max_bytes: int) -> ImageCache | None:
    """The user's cache on this machine; None if ``max_bytes`` is 0."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return ImageCache(Path(root).expanduser() / "triptych" / "images", max_bytes) if max_bytes else None


class ImageCache:
    """A folder of images by digest, at most ``max_bytes`` in all. Safe for threads and processes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self.max_bytes = folder, max_bytes

    def read(self, digest: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes with this content_hash, from the cache or from ``fetch``. Raises what ``fetch`` does."""
        path = self._folder / digest[:2] / digest
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            if content_hash(content) == digest:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return content
        content = fetch()
        if content_hash(content) == digest and len(content) <= self.max_bytes:
            with contextlib.suppress(OSError):  # such as a full disk
                self._store(path, content)
        return content

    def _store(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked_total() as total:
            text = total.read_text(errors="replace")
            is_known = text.isascii() and text.isdecimal()  # not after a crash
            total_bytes = int(text) + len(content) if is_known else 0
            if not is_known or total_bytes > self.max_bytes:
                total_bytes = self._make_room(len(content)) + len(content)
            part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
            part.write_bytes(content)
            part.replace(path)
            total.write_text(str(total_bytes))

    @contextlib.contextmanager
    def _locked_total(self) -> Iterator[Path]:
        """The file with the total size of the cache, locked."""
        total = self._folder / "bytes"
        with total.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield total

    def _make_room(self, size_bytes: int) -> int:
        """Remove the least recently used images, so that ``size_bytes`` fit. Returns the size of the rest."""
        found = []
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        kept_bytes = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if kept_bytes <= KEPT_SHARE * self.max_bytes - size_bytes:
                break
            path.unlink(missing_ok=True)
            kept_bytes -= size
        return kept_bytes
