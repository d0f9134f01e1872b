"""Turns the bytes of one file into its image record and the pixels for the image tower.

Comes in: a file as found by its source. Goes out: a record, and pixels if the image is readable. The bytes
are decoded only once, for JPEG at a reduced scale if possible; size, both hashes, measures and pixels are
taken from that. Not its job: threads and order (see pipeline).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.grouping.embedding.measures import measure
from triptych.grouping.embedding.preprocess import InputShape, Resized, resize_to
from triptych.grouping.perceptual_hash import picture_hash
from triptych.records import ImageRecord, Measures, content_hash
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.shard import FoundFile

DRAFT_OVER_INPUT = 1.1
"""JPEGs are decoded at the smallest scale that is still at least this many times the tower's input size.
SA-1B's shorter side of 1500 pixels is decoded at 1/8 for 112, at 1/4 for 224 and 336, at 1/2 for 384 pixels.
Compared with a full decode, embeddings of the nano CLIP keep a cosine of 0.9999, and a photograph's pixels
differ on average by 0.01 (224) and 0.02 (336) normalised units: python -m benchmarks.decode_speed."""

MAX_ASPECT_RATIO = 100
"""A longer picture is refused: resized by its shorter side, it would fill the memory."""


class Prepared(NamedTuple):
    """A file's record and pixels, ``uint8[height, width, 3]``; None if the file is unreadable."""

    record: ImageRecord
    pixels: NDArray[np.uint8] | None


def prepare(file: FoundFile, shape: InputShape) -> Prepared:
    """The record of ``file`` and its pixels for a tower of ``shape``. Thread-safe."""
    if file.unreadable is not None:
        record = ImageRecord(key=file.key, modified_ns=file.modified_ns, unreadable=file.unreadable)
        return Prepared(record, None)
    width_px = height_px = 0
    perceptual_hash = ""
    pixels: NDArray[np.uint8] | None = None
    measures: Measures | None = None
    unreadable: str | None = None
    try:
        picture, width_px, height_px = _decoded(shape, file.content)
        measures = measure(picture)
        resized = resize_to(shape, picture, width_px, height_px)
        pixels = np.ascontiguousarray(resized.framed)  # a copy, to free the whole picture
        perceptual_hash = picture_hash(Image.fromarray(resized.whole))
    except _TooNarrowError as error:
        unreadable, width_px, height_px = str(error), error.width_px, error.height_px
    except UnreadableImageError as error:
        unreadable = str(error)
    record = ImageRecord(
        key=file.key,
        width_px=width_px,
        height_px=height_px,
        size_bytes=len(file.content),
        content_hash=content_hash(file.content),
        picture_hash=perceptual_hash,
        offset_bytes=file.offset_bytes,
        modified_ns=file.modified_ns,
        measures=measures,
        unreadable=unreadable,
    )
    return Prepared(record, pixels)


def decode_to(shape: InputShape, content: bytes) -> Resized:
    """A file's picture at the tower's scale. Raises UnreadableImageError."""
    return resize_to(shape, *_decoded(shape, content))


def _decoded(shape: InputShape, content: bytes) -> tuple[Image.Image, int, int]:
    """The picture, perhaps at a reduced scale, and the width and height of the upright original."""
    draft_side_px = int(DRAFT_OVER_INPUT * max(shape.scaled_to))
    picture, width_px, height_px = decode_rgb(content, draft_side_px)
    if max(width_px, height_px) > MAX_ASPECT_RATIO * min(width_px, height_px):
        raise _TooNarrowError(width_px, height_px)
    return picture, width_px, height_px


class _TooNarrowError(UnreadableImageError):
    def __init__(self, width_px: int, height_px: int) -> None:
        super().__init__(f"too narrow: {width_px} x {height_px} pixels")
        self.width_px, self.height_px = width_px, height_px
