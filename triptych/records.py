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


class Measures(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a picture looks like in numbers, at 256 pixels on its longer side: what screens decide by.

    Brightness is from 0 to 255.
    """

    contrast: float
    """Standard deviation of the brightness, or where that is below 16 of the channel that varies most."""
    darkest: int
    """The brightness that one pixel in a hundred doesn't exceed."""
    brightest: int
    """The brightness that one pixel in a hundred reaches or exceeds."""
    sharpness: float
    """Variance of the Laplacian of the brightness."""
    text: float
    """How much it looks like lines of letters on one background, from 0 to about 1."""


def content_hash(content: bytes) -> str:
    """BLAKE2b-128 of a file's bytes, in hex."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


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
    measures: Measures | None = None
    """None where it can't be read, or was embedded elsewhere or before they were taken."""
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


class Screened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A readable image that is neither put into a set nor captioned, and why."""

    key: str
    reason: str
    """The first screen, in order, that leaves it out."""
    value: float
    """What the screen measured."""


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An image that shows the same as ``of``, which stays."""

    key: str
    of: str
    reason: Literal["same bytes", "near duplicate", "hashes agree"]
    cosine_similarity: float


SetKind = Literal["related", "varied", "contrast"]


class ImageSet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A few images, in the order in which they are captioned: related ones unless ``kind`` says otherwise.

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
    """Of the two images least alike: their cosine, or less where it is crowded around them. The higher, the
    surer is the set; None of other kinds than related."""
    kind: SetKind = "related"
    """``varied``: each two images are unlike. ``contrast``: one is unlike all others, which are related."""
    odd: str = ""
    """The key of that one image; empty in sets of other kinds."""


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
    agreement: float | None = None
    """Of several answers (``captioning.samples``): how far this one agrees with the others, in [0, 1]. Tokens
    and attempts are then those of all."""
    failure: str | None = None
    content: str = ""
    """What the image or the images of the set showed (see content_of); empty where that isn't known."""
    canary: str = ""
    """The last canary that its endpoint had passed, by id (see runs.canaries); empty where none was asked."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether a caption is kept. ``reason`` is the first rule, in order, that rejects it."""

    id: str
    keep: bool
    reason: str | None = None
    scores: dict[str, float] = {}
    """The score of every rule that rejects or flags this caption, by rule name."""
    repeats: str | None = None
    """Of an exact or near duplicate: the id of the earlier caption that it repeats."""
    text: str = ""
    """What is exported in place of the model's text: as a person has written it, or without the sentences in
    ``removed``. Empty where the model's stands."""
    removed: tuple[str, ...] = ()
    """The sentences of the model's text that a checker denied and a repair took out, in order."""
    unfit: str = ""
    """The phrase that fits the images least, where the rule ``ungrounded`` objects."""

    @property
    def is_repaired(self) -> bool:
        """Whether it is kept without some of its sentences."""
        return self.keep and bool(self.removed)


class StatementCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a checker answered about one statement of a caption and one image, or why it gave no answer."""

    id: str
    """``<caption id>#<number of the statement>/<number of the image>``, both from 1."""
    start: int
    end: int
    """Of the statement, in the caption's text."""
    image: str
    """The key of the image."""
    answer: str = ""
    """``yes``, ``no`` or ``unclear``; empty where it failed."""
    yes_probability: float | None = None
    """Of yes against no, in [0, 1], where the server tells it."""
    is_swapped: bool = False
    """Whether ``image`` is another image of the set than the one that the statement is about: that measures
    how specific captions are, and says nothing against this one."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    failure: str | None = None
    content: str = ""
    """A digest of the caption, and of what its image shows: of another caption the check doesn't count."""
    canary: str = ""
    """As of a caption."""

    @property
    def caption(self) -> str:
        """The caption's id."""
        return self.id.rpartition("#")[0]

    @property
    def image_number(self) -> int:
        """Of the image among those of its caption, from 1."""
        return int(self.id.rpartition("/")[2])


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
