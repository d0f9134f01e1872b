"""One file of a source, and what its name says: an image or not, and its key.

Comes in: names, as the file system or an archive has them. Goes out: keys, and reasons for a record. Not its
job: what is in the file.
"""

from __future__ import annotations

import os
import posixpath

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
