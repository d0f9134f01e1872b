"""CSV with a line for each image of a row, for tools with one image per sample.

Comes in: rows of texts, whose ``filepath`` is a list. Goes out: a header, and for each image a line with its
``position`` in the row, from 1, and the row's texts. Every field is quoted. Not its job: the content of rows
(see formats).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink

LISTED, POSITION = "filepath", "position"
"""The column that is a list in a row, and the one that numbers its entries."""

MAX_FIELD_BYTES = 64 * 1024 * 1024
"""The csv module's own limit is 128 KiB, and a person's text may be longer."""


class _CsvTable:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        self._file = file
        names = [field.encode_name for field in msgspec.structs.fields(row_type)]
        self._write([[*names, POSITION]])

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        rows = map(msgspec.json.decode, lines.splitlines())
        self._write([line for row in rows for line in _lines_of(row)])

    def close(self) -> None:
        pass

    def _write(self, lines: Iterable[Iterable[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue().encode())


def _lines_of(row: dict[str, Any]) -> Iterator[list[object]]:
    for position, path in enumerate(row[LISTED], start=1):
        yield [*(row | {LISTED: path}).values(), position]


def _read(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    csv.field_size_limit(MAX_FIELD_BYTES)
    encoder = msgspec.json.Encoder()
    with path.open(encoding="utf-8", newline="") as file:
        numbered = _numbered(csv.DictReader(file, strict=True))
        try:
            for _, some in groupby(numbered, key=lambda each: each[0]):
                lines = [line for _, line in some]
                row = dict(lines[0]) | {LISTED: [line[LISTED] for line in lines]}
                yield encoder.encode(row) + b"\n", ()
        except csv.Error as error:
            raise ValueError(f"{path.name}: {error}") from None


def _numbered(lines: Iterable[dict[str, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line with the number of its row. A line with position 1 begins a row."""
    number = 0
    for line in lines:
        number += line.pop(POSITION) == "1"
        yield number, line


CSV_TABLE = ContainerSpec(_CsvTable, _read)
