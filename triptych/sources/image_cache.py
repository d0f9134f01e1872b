"""Images that were read once, kept on a local disk within a bound: each is asked for by several jobs.

Comes in: the digest of an image's bytes, and what fetches it. Goes out: its bytes, which are those or none.
The images of all runs of a user lie in one folder, and what was used longest ago goes first. Not its job:
where images are fetched from.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from triptych.records import content_hash

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

KEPT_SHARE = 0.9
"""When there is no room left, so much stays: not every image has to look for what goes."""


def size_in_bytes(text: str) -> int:
    """Of ``500MB`` or ``1.5 TB``. Raises ValueError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]B)?\s*", text, re.IGNORECASE)
    if found is None:
        raise ValueError(f"a size of {text!r}; expected such as 500MB or 1.5TB")
    return int(float(found[1]) * UNITS[(found[2] or "").upper()])


def cache_folder() -> Path:
    """Where programs of this user keep what can be had again."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "triptych" / "images"


def opened_cache(max_bytes: int) -> ImageCache | None:
    """The user's own on this machine; None where it may hold nothing."""
    return ImageCache(cache_folder(), max_bytes) if max_bytes else None


class ImageCache:
    """For any number of threads and processes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self.max_bytes = folder, max_bytes

    def read(self, digest: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes with this content_hash; from ``fetch`` where they aren't here. Raises what that does."""
        path = self._folder / digest[:2] / digest
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            if content_hash(content) == digest:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return content
        content = fetch()
        if content_hash(content) == digest and len(content) <= self.max_bytes:
            with contextlib.suppress(OSError):  # a full disk is no reason not to go on
                self._keep(path, content)
        return content

    def _keep(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._count() as count:
            text = count.read_text(errors="replace")
            held = int(text) + len(content) if text.isascii() and text.isdecimal() else self.max_bytes + 1
            if held > self.max_bytes:  # or nobody knows: a crash left the count empty
                held = self._make_room(len(content)) + len(content)
            part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
            part.write_bytes(content)
            part.replace(path)
            count.write_text(str(held))

    @contextlib.contextmanager
    def _count(self) -> Iterator[Path]:
        """The file that says how many bytes there are, for one at a time."""
        count = self._folder / "bytes"
        with count.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield count

    def _make_room(self, size_bytes: int) -> int:
        """Remove what was used longest ago, so that ``size_bytes`` fit. Returns how many bytes are left."""
        found = []
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        held = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if held <= KEPT_SHARE * self.max_bytes - size_bytes:
                break
            path.unlink(missing_ok=True)
            held -= size
        return held
