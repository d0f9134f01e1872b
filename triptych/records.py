"""What flows between the stages: the rows of the run folder's files.

All are frozen msgspec Structs. An optional field at its default is left out of the file. They hold no
reference to each other, so the garbage collector needn't walk them (``gc=False``): it would at every
few hundred of the millions that are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

GONE = "gone: not in the sources any more"
"""The ``unreadable`` of a file that isn't in the sources now; of one that was no image the reason follows. An
image's embedding stays, so that it counts again when it is back."""

REPLACED = "replaced: its file holds other bytes now"
"""The same of an image whose file has a record of its own now."""

CONTENT_DIGITS = 12
"""Hex digits that tell what an image or a set showed when it was captioned."""


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One file that was found in a source: a readable image, or why it isn't one.

    ``width_px`` and ``height_px`` are those of the upright picture (EXIF orientation applied).
    ``content_hash`` is BLAKE2b-128 of the file's bytes, in hex; empty where they could not be read.
    """

    key: str
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0
    content_hash: str = ""
    picture_hash: str = ""
    """A perceptual hash of what it shows, 256 bits in hex; empty where only an embedding is known."""
    offset_bytes: int | None = None
    """Where the member's bytes start inside its tar; None for a file of a folder."""
    modified_ns: int = 0
    """When the file of a folder was last changed; 0 in an archive."""
    unreadable: str | None = None
    """The reason, starting with its class and a colon: ``truncated: ...``; None if readable."""

    @property
    def is_gone(self) -> bool:
        """Whether its file isn't in the sources any more, or not with these bytes."""
        return self.unreadable is not None and self.unreadable.startswith((GONE, REPLACED))

    @property
    def is_embedded(self) -> bool:
        """Whether its shard's embeddings have a row for it: it is readable, or was and is gone."""
        return self.unreadable in (None, GONE, REPLACED)


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An image that shows the same as ``of``, which stays."""

    key: str
    of: str
    reason: Literal["same bytes", "near duplicate", "hashes agree"]
    cosine_similarity: float


class ImageSet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A few related images, in the order in which they are captioned.

    ``id`` is derived from ``keys``, so a caption of a set stays valid for as long as the set exists.
    Similarities are over all pairs, of the stored (float16) embeddings, in [-1, 1].
    """

    id: str
    keys: tuple[str, ...]
    content: str = ""
    """What its images show (see content_of)."""
    min_cosine_similarity: float
    mean_cosine_similarity: float
    likeness: float | None = None
    """Of the two images least alike: their cosine less a part of how crowded it is around them. The higher,
    the surer is the set; None in runs of before it was measured."""


class Caption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the model wrote on an image or a set, or why there is nothing.

    ``id`` is ``job:image key`` or ``job:set id``. ``failure`` starts with its class and a colon.
    """

    id: str
    job: str
    text: str = ""
    finish_reason: str = ""
    """``stop`` where the model ended by itself, ``length`` where the token limit cut it."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    """How often it was asked, faults and unusable answers included."""
    asked_again: tuple[str, ...] = ()
    """Why its answers were not taken, in order: ``too long`` (half the tiles were sent then), ``wrong form``
    (of a structured job), ``empty``, ``refusal``, ``wrong language``, ``loop``, ``wrong image names`` (an
    image of a set isn't named as its prompt asks, or one is named that isn't there), ``cut``. As many as the
    limit: the least bad was kept."""
    failure: str | None = None
    content: str = ""
    """What the image or the images of the set showed (see content_of); empty where that isn't known."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether a caption is kept. ``reason`` is the first rule, in order, that rejects it."""

    id: str
    keep: bool
    reason: str | None = None
    scores: dict[str, float] = {}
    """The score of every rule that rejects or flags this caption, by rule name."""
    repeats: str | None = None
    """Of an exact or near duplicate: the id of the earlier caption that it repeats."""


def caption_id(job: str, target: str) -> str:
    """The id of the caption of ``target`` (an image key or a set id) in ``job``."""
    return f"{job}:{target}"


def content_of(hashes: Sequence[str]) -> str:
    """CONTENT_DIGITS hex digits for images with these content hashes, in order; empty where none has one."""
    if len(hashes) == 1:
        return hashes[0][:CONTENT_DIGITS]
    if not any(hashes):
        return ""
    return hashlib.blake2b("\n".join(hashes).encode(), digest_size=CONTENT_DIGITS // 2).hexdigest()


def set_id(keys: Iterable[str]) -> str:
    """``set_`` and 12 hex digits of BLAKE2b over the keys, so that it stands for these very images."""
    return "set_" + hashlib.blake2b("\n".join(keys).encode(), digest_size=6).hexdigest()


def target_of(identifier: str) -> str:
    """The image key or set id of a caption id."""
    return identifier.partition(":")[2]


def reason_class(reason: str) -> str:
    """What is before the colon in the reason of an unreadable image or a failed caption."""
    return reason.partition(":")[0].strip() or "unknown"
