"""Texts that a source has for its images: sidecars in a tar or folder, columns of a table.

Comes in: a shard, the name of a field. Goes out: the text of an image. ``txt`` is the .txt beside an image;
any other name is a key of the .json beside it, or a column of a Parquet file. Texts are optional hints to a
model, so one that can't be read counts as missing. Not its job: their use in prompts (see captioning).
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
class HasSidecars(Protocol):
    """A shard of files that may include sidecars of its images."""

    def sidecars(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        """Key and bytes of each readable file with this suffix."""


@runtime_checkable
class HasColumns(Protocol):
    """A shard of rows."""

    def column(self, name: str) -> Iterator[tuple[str, object]]:
        """The key prefix and the value of each readable row."""


class Texts:
    """The texts of one shard."""

    def __init__(self, shard: Shard, field: str) -> None:
        self._texts: dict[str, str] = {}
        self._has_rows = isinstance(shard, HasColumns)
        if isinstance(shard, HasColumns):
            self._texts = {key: text for key, value in shard.column(field) if (text := _as_text(value))}
        elif isinstance(shard, HasSidecars):
            for key, content in shard.sidecars(".txt" if field == TXT else ".json"):
                value = _decoded(content) if field == TXT else _in_json(content, field)
                if text := _as_text(value):
                    self._texts[stems_of(key)[0]] = text

    def of(self, key: str) -> str:
        """The text of an image; empty if there is none."""
        row = [key, key.rpartition("/")[0]] if self._has_rows else []  # the latter for an image of a list
        for name in (*stems_of(key), *row):
            if name in self._texts:
                return self._texts[name]
        return ""


def _decoded(content: bytes) -> str | None:
    """Decoded as UTF-8, or as UTF-16 with a byte order mark, as editors on Windows write it. None for any
    other bytes, as a model would take garbled text seriously."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or "\ufffd" in text else text


def _in_json(content: bytes, field: str) -> object:
    try:
        found = json.loads(content.removeprefix(codecs.BOM_UTF8))  # msgspec refuses NaN, which is common
    except (ValueError, RecursionError):
        return None
    return found.get(field) if isinstance(found, Mapping) else None


def _as_text(value: object) -> str:
    """A string, number or date as text; a list, such as tags, joined with commas. Anything else, NaN and
    infinity are empty; lone surrogates become question marks."""
    if isinstance(value, list):
        return ", ".join(text for each in value if (text := _as_text(each)))
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not isinstance(value, str | int | float | datetime.date):
        return ""
    return str(value).encode("utf-8", "replace").decode().strip()
