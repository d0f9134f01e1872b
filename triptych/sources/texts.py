"""What a source says of its images: captions beside them in a tar or folder, columns of a table.

Comes in: a shard, the name of a field. Goes out: texts, by what an image's key begins with. ``txt`` is the
.txt beside an image; any other name is a key of the .json beside it, or a column of a Parquet file. Texts
help a model along: one that can't be read is none. Not its job: what becomes of it (see captioning).
"""

from __future__ import annotations

import codecs
import datetime
import json
import math
from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from triptych.sources.shard import Shard

TXT = "txt"


@runtime_checkable
class WithFilesBeside(Protocol):
    """A shard of files, among which may be some on its images."""

    def files_beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """Key and bytes of the files with this suffix, as far as they can be read."""


@runtime_checkable
class WithColumns(Protocol):
    """A shard of rows."""

    def column(self, name: str) -> Iterator[tuple[str, object]]:
        """What each row's key begins with, and its value, as far as they can be read."""


class Texts:
    """The texts of one shard."""

    def __init__(self, shard: Shard, field: str) -> None:
        self._texts: dict[str, str] = {}
        self._has_rows = isinstance(shard, WithColumns)
        if isinstance(shard, WithColumns):
            self._texts = {key: text for key, value in shard.column(field) if (text := _as_text(value))}
        elif isinstance(shard, WithFilesBeside):
            for key, content in shard.files_beside(".txt" if field == TXT else ".json"):
                value = content.decode("utf-8-sig", "replace") if field == TXT else _in_json(content, field)
                if text := _as_text(value):
                    self._texts[_stem(key)] = text

    def of(self, key: str) -> str:
        """That of an image; empty where there is none.

        ``a.b.jpg`` has its text in ``a.b.txt``, as trainers put it, or in ``a.txt``, as WebDataset does.
        """
        row = [key, key.rpartition("/")[0]] if self._has_rows else []  # of one in a list of images
        for name in (_stem(key), _first_stem(key), *row):
            if name in self._texts:
                return self._texts[name]
        return ""


def _stem(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def _first_stem(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _in_json(content: bytes, field: str) -> object:
    try:
        found = json.loads(content.removeprefix(codecs.BOM_UTF8))  # not msgspec's: NaN is all over the web
    except (ValueError, RecursionError):
        return None
    return found.get(field) if isinstance(found, Mapping) else None


def _as_text(value: object) -> str:
    """Words, numbers and dates as they are, several with commas: tags come as lists. NaN and infinity are
    none, and half a character is a question mark."""
    if isinstance(value, list):
        return ", ".join(text for each in value if (text := _as_text(each)))
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not isinstance(value, str | int | float | datetime.date):
        return ""
    return str(value).encode("utf-8", "replace").decode().strip()
