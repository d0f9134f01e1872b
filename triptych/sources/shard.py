"""Shards, which every kind of source is cut into, and the files that they list and read again.

Comes in: names, as the file system or an archive has them; the kinds of sources implement the protocol (see
source_kinds). Goes out: keys, and reasons for a record. Not its job: what is in a file.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
SIDECAR_SUFFIXES = frozenset(
    {".json", ".jsonl", ".txt", ".xml", ".caption", ".transcript", ".cls", ".cls2", ".id", ".index", ".inx"}
    | {".csv", ".tsv", ".yaml", ".yml", ".npy", ".npz", ".pyd", ".pickle", ".pth", ".cbor", ".msg", ".mp"}
)
"""Files that describe an image: what WebDataset's decoders know besides pictures, and the usual lists. They
are passed over; any other file is listed as not an image."""

COMPRESSED_TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a shard: its key, and its bytes or why they can't be had."""

    key: str
    content: bytes = b""
    offset_bytes: int | None = None
    unreadable: str | None = None


def why_not_an_image(name: str) -> str | None:
    """None where ``name`` ends like an image file, else the reason that its record keeps."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return None
    if name.lower().endswith(COMPRESSED_TAR_SUFFIXES):
        return "compressed tar: its images can't be read one by one; unpack it to a plain .tar"
    return f"not an image: {suffix or 'no suffix'}"


def is_sidecar(name: str) -> bool:
    """Whether ``name`` ends like a file that describes an image beside it."""
    return os.path.splitext(name)[1].lower() in SIDECAR_SUFFIXES


def usable_key(name: str) -> tuple[str, str | None]:
    """``name`` as a key, and why nothing of that name can have one.

    A key is written as JSON, in UTF-8, and a trainer looks for a file of that name: bytes that are no
    UTF-8 are shown as ``\\xNN``, in a key that only the record of the failure has.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        return shown, "unusable name: it is not UTF-8; rename the file"
    return name, None


def member_key(archive: str, name: str) -> tuple[str, str | None]:
    """The key of the member ``name`` of ``archive``, which stands for a folder, and why it can't have one."""
    inside = posixpath.normpath(name).lstrip("/")
    key, unusable = usable_key(f"{archive}/{inside}")
    if inside.startswith("../"):
        return key, "unusable name: it leads out of the archive"
    return key, unusable


def size_of(path: str) -> int | None:
    """In bytes; None for a link to nothing and for a file that has just gone."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None


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


SAMPLED_SHARDS = 8
"""Spread over all that don't know their count."""

SAMPLED_MEMBERS = 256
"""Of each. On 1,000 tars of SA-1B's form that is 2,048 headers, some milliseconds on a local disk."""


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
