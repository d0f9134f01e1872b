"""The records that stages exchange: the rows of the run folder's files.

All are frozen msgspec Structs. Most leave fields at their default out of the file. They hold no references to
each other, so the garbage collector needn't track them (``gc=False``): with millions of records that would be
slow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

GONE = "gone: not in the sources any more"
"""The ``unreadable`` of a file that has left the sources; if it was unreadable before, that reason follows.
The embedding of an image stays, and is used again when the file is back."""

REPLACED = "replaced: its file holds other bytes now"
"""The ``unreadable`` of an image whose file has changed; the new content has a record of its own."""

CONTENT_DIGITS = 12
"""Hex digits of the hash of what an image or a set showed when it was captioned."""


class Measures(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Measurements of a picture at 256 pixels on its longer side, by which screens decide.

    Brightness is from 0 to 255.
    """

    contrast: float
    """Standard deviation of the brightness; if that is below 16, of the channel that varies most."""
    darkest: int
    """The 1st percentile of the brightness."""
    brightest: int
    """The 99th percentile of the brightness."""
    sharpness: float
    """Variance of the Laplacian of the brightness."""
    text: float
    """How much it looks like lines of text on a plain background, from 0 to about 1."""


def content_hash(content: bytes) -> str:
    """BLAKE2b-128 of a file's bytes, in hex."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One file that was found in a source: a readable image, or why it isn't one.

    ``width_px`` and ``height_px`` are those of the upright picture (EXIF orientation applied).
    ``content_hash`` is BLAKE2b-128 of the file's bytes, in hex; empty if they could not be read.
    """

    key: str
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0
    content_hash: str = ""
    picture_hash: str = ""
    """A perceptual hash, 256 bits in hex; empty if only an embedding is known."""
    offset_bytes: int | None = None
    """Where the member's bytes start inside its tar; None for a file of a folder."""
    modified_ns: int = 0
    """When the file of a folder was last changed; 0 in an archive."""
    measures: Measures | None = None
    """None if it can't be read, or was embedded elsewhere or by a version without measures."""
    unreadable: str | None = None
    """The reason, starting with its class and a colon: ``truncated: ...``; None if readable."""

    @property
    def is_gone(self) -> bool:
        """Whether its file has left the sources or has changed."""
        return self.unreadable is not None and self.unreadable.startswith((GONE, REPLACED))

    @property
    def is_embedded(self) -> bool:
        """Whether its shard's embeddings have a row for it: it is readable, or was before it was gone."""
        return self.unreadable in (None, GONE, REPLACED)


class Screened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A readable image that is neither put into a set nor captioned, and why."""

    key: str
    reason: str
    """The first screen, in order, that rejects it."""
    value: float
    """The screen's measurement."""


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An image that shows the same as ``of``, which is kept."""

    key: str
    of: str
    reason: Literal["same bytes", "near duplicate", "hashes agree"]
    cosine_similarity: float


SetKind = Literal["related", "varied", "contrast"]


class ImageSet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A few images, in the order in which they are captioned: related ones unless ``kind`` says otherwise.

    ``id`` is derived from ``keys``, so a caption of a set is valid for as long as the set exists.
    Similarities are over all pairs of the stored (float16) embeddings, in [-1, 1].
    """

    id: str
    keys: tuple[str, ...]
    content: str = ""
    """The hash of what its images show (see content_of)."""
    min_cosine_similarity: float
    mean_cosine_similarity: float
    likeness: float | None = None
    """The cosine of the two least similar images, reduced in crowded neighbourhoods: the higher, the more
    certain is the set. None for kinds other than ``related``."""
    kind: SetKind = "related"
    """``varied``: no two images are alike. ``contrast``: one is unlike all others, which are related."""
    odd: str = ""
    """The key of the image that is unlike the others; empty for other kinds than ``contrast``."""


class Caption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The model's caption of an image or a set, or why there is none.

    ``id`` is ``job:image key`` or ``job:set id``. ``failure`` starts with its class and a colon.
    """

    id: str
    job: str
    text: str = ""
    finish_reason: str = ""
    """``stop`` if the model ended by itself, ``length`` if the token limit cut it off."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    """How many requests it took, with failed ones and unusable answers."""
    asked_again: tuple[str, ...] = ()
    """Why earlier answers were rejected, in order: ``too long`` (then half the tiles were sent), ``wrong
    form`` (of a structured job), ``empty``, ``refusal``, ``wrong language``, ``loop``, ``wrong image names``
    (an image of a set isn't named as its prompt asks, or a nonexistent one is), ``cut``. If there are as many
    as the limit allows, the best of them was kept."""
    agreement: float | None = None
    """With several answers (``captioning.samples``): how much this one agrees with the others, in [0, 1].
    Tokens and attempts are then those of all answers."""
    failure: str | None = None
    content: str = ""
    """The hash of what the image or the set showed (see content_of); empty if unknown."""
    canary: str = ""
    """The id of the last canary that its endpoint had passed (see runs.canaries); empty if none was asked."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether a caption is kept. ``reason`` is the first rule, in order, that rejects it, or None."""

    id: str
    keep: bool
    reason: str | None = None
    scores: dict[str, float] = {}
    """The score of every rule that rejects or flags this caption, by rule name."""
    repeats: str | None = None
    """The id of the earlier caption that it repeats, exactly or nearly."""
    text: str = ""
    """The text that is exported instead of the model's: as a person edited it, or without the sentences in
    ``removed``. Empty if the model's text is exported."""
    removed: tuple[str, ...] = ()
    """The sentences that a checker denied and that were removed from the model's text, in order."""
    unfit: str = ""
    """The phrase that fits the images least, if the rule ``ungrounded`` rejects or flags the caption."""

    @property
    def is_repaired(self) -> bool:
        """Whether the caption is kept with sentences removed."""
        return self.keep and bool(self.removed)


class StatementCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A checker's answer on one statement of a caption and one image, or why there is none."""

    id: str
    """``<caption id>#<number of the statement>/<number of the image>``, both from 1."""
    start: int
    end: int
    """Where the statement is in the caption's text."""
    image: str
    """The key of the image."""
    answer: str = ""
    """``yes``, ``no`` or ``unclear``; empty if the request failed."""
    yes_probability: float | None = None
    """The probability of yes against no, in [0, 1]; None if the server doesn't report it."""
    is_swapped: bool = False
    """Whether the statement is about another image of the set than ``image``: this measures how specific
    captions are, and doesn't count against this one."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    failure: str | None = None
    content: str = ""
    """A hash of the caption and of what its image shows: if they change, the check no longer counts."""
    canary: str = ""
    """As in Caption."""

    @property
    def caption(self) -> str:
        """The id of the caption."""
        return self.id.rpartition("#")[0]

    @property
    def image_number(self) -> int:
        """The number of the image in its caption, from 1."""
        return int(self.id.rpartition("/")[2])


def caption_id(job: str, target: str) -> str:
    """The id of the caption of ``target`` (an image key or a set id) in ``job``."""
    return f"{job}:{target}"


def content_of(hashes: Sequence[str]) -> str:
    """CONTENT_DIGITS hex digits for images with these content hashes, in order; empty if all are empty."""
    if len(hashes) == 1:
        return hashes[0][:CONTENT_DIGITS]
    if not any(hashes):
        return ""
    return hashlib.blake2b("\n".join(hashes).encode(), digest_size=CONTENT_DIGITS // 2).hexdigest()


def set_id(keys: Iterable[str]) -> str:
    """The id of the set of these images: ``set_`` and 12 hex digits of BLAKE2b over their keys."""
    return "set_" + hashlib.blake2b("\n".join(keys).encode(), digest_size=6).hexdigest()


def target_of(identifier: str) -> str:
    """The image key or set id of a caption id."""
    return identifier.partition(":")[2]


def reason_class(reason: str) -> str:
    """The class of the reason of an unreadable image or a failed caption: the part before the colon."""
    return reason.partition(":")[0].strip() or "unknown"
