"""One file of a source, and which names count as images."""

from __future__ import annotations

import os

import msgspec

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
SIDECAR_SUFFIXES = frozenset({".json", ".txt", ".xml"})
"""Files that describe an image. They are passed over; any other file is listed as not an image."""


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
    return f"not an image: {suffix or 'no suffix'}"


def is_sidecar(name: str) -> bool:
    """Whether ``name`` ends like a file that describes an image beside it."""
    return os.path.splitext(name)[1].lower() in SIDECAR_SUFFIXES
