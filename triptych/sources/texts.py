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

from triptych.sources.file_names import stems_of
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
                value = _decoded(content) if field == TXT else _in_json(content, field)
                if text := _as_text(value):
                    self._texts[stems_of(key)[0]] = text

    def of(self, key: str) -> str:
        """That of an image; empty where there is none."""
        row = [key, key.rpartition("/")[0]] if self._has_rows else []  # of one in a list of images
        for name in (*stems_of(key), *row):
            if name in self._texts:
                return self._texts[name]
        return ""


def _decoded(content: bytes) -> str | None:
    """UTF-8, or UTF-16 with its mark, as editors on Windows write it. None for any other bytes: a model takes
    what is garbled for a text."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or "\ufffd" in text else text


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
