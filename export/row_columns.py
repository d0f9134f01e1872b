"""Many rows at a time: columns of what differs between them, put into a format's template.

Comes in: a template such as ``{"id":"$id","image":"$image",..}``, targets, answers. Goes out: JSON lines.

    $id, $image              inside of a JSON string
    $width, $height          of the one image, in pixels
    $images $widths $heights of a set: inside of a JSON list
    $question, $answer       JSON strings

Columns are encoded in one call each, and rows are joined a block at a time, which stays in the processor's
cache: several times cheaper than row by row. Not its job: which captions there are, and their words.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat

import msgspec

from corpus.plan import Target
from corpus.records import ImageRecord

Column = Iterable[bytes | msgspec.Raw] | bytes
"""One piece a row; or bytes that stand in every row."""

_PLACE = re.compile(rb"\$([a-z]+)")
_ENCODER = msgspec.json.Encoder()


MakeColumn = Callable[[], Column]


def fill(template: bytes, given: Mapping[str, Column], made: Mapping[str, MakeColumn]) -> bytes:
    """The lines. Of the columns in ``made``, by name, only those that the template names are made."""
    known = dict(given)
    constant, differing = b"", []
    for index, part in enumerate(_parts(template)):
        column = _column(part.decode(), known, made) if index % 2 else part
        if isinstance(column, bytes):
            constant += column
        else:
            differing += [repeat(constant), column]
            constant = b""
    return b"".join(chain.from_iterable(zip(*differing, repeat(constant + b"\n"), strict=False)))


def _column(name: str, known: dict[str, Column], made: Mapping[str, MakeColumn]) -> Column:
    if name not in known:
        known[name] = made[name]()
    return known[name]


@functools.cache
def _parts(template: bytes) -> list[bytes]:
    """What stands there, and names, in turn."""
    return _PLACE.split(template)


def image_columns(images: Sequence[ImageRecord]) -> dict[str, MakeColumn]:
    """What differs between rows of one image, besides ``$id``: ``$image`` behind a constant."""
    return {
        "image": lambda: _inside_strings([image.key for image in images]),
        "width": lambda: _numbers([image.width_px for image in images]),
        "height": lambda: _numbers([image.height_px for image in images]),
    }


def set_columns(targets: Sequence[Target]) -> dict[str, MakeColumn]:
    """What differs between rows of several images."""
    return {
        "id": lambda: _inside_strings([target.id for target in targets]),
        "images": lambda: _inside_lists([[image.key for image in one.images] for one in targets]),
        "widths": lambda: _inside_lists([[image.width_px for image in one.images] for one in targets]),
        "heights": lambda: _inside_lists([[image.height_px for image in one.images] for one in targets]),
    }


def _inside_strings(texts: Sequence[str]) -> list[bytes]:
    """Each as the inside of a JSON string. A quote in a text is escaped, so none of them holds ``","``."""
    return _ENCODER.encode(texts)[2:-2].split(b'","')


def _numbers(numbers: Sequence[int]) -> list[bytes]:
    return _ENCODER.encode(numbers)[1:-1].split(b",")


def _inside_lists(lists: Iterable[Sequence[str] | Sequence[int]]) -> list[bytes]:
    return [_ENCODER.encode(one)[1:-1] for one in lists]
